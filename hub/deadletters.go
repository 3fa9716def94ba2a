package hub

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// letters does with dead letters what operators ask for.
type letters struct{ h *Hub }

// Replay implements admin.Letters.
func (l letters) Replay(ctx context.Context, client *store.Client, d store.DeadLetter) error {
	if d.Conversation != "" {
		return l.h.outbound.ReplayLetter(ctx, client, d)
	}
	return l.h.journal.ReplayLetter(ctx, client, d)
}

// Discard implements admin.Letters.
func (l letters) Discard(ctx context.Context, client *store.Client, d store.DeadLetter) error {
	if d.Conversation != "" {
		return l.h.outbound.DiscardLetter(ctx, client, d)
	}
	_, err := client.MarkDeadLetter(ctx, d, store.LetterDiscarded)
	return err
}

// resumeReplay completes replays that a crash cut off, once the lanes are
// there.
func (h *Hub) resumeReplay(ctx context.Context, client *store.Client, d store.Due) error {
	if !h.wired.Load() {
		return model.Errorf(model.Unavailable, "resume replay", "the hub is starting")
	}
	return h.outbound.ResumeReplay(ctx, client, d)
}
