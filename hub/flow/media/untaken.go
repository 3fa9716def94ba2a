package media

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// UntakenKind is the kind of due rows that remove files which no message took.
const UntakenKind = "upload"

// TakeWithin is how long a visitor's file waits for its message: long enough
// for a connection that comes and goes, short for what a stranger leaves here.
const TakeWithin = time.Hour

// untakenDue notes that a file is to be removed if no message takes it.
func (m *Media) untakenDue(ctx context.Context, client *store.Client, a store.Attachment) error {
	if a.TakeBy.IsZero() {
		return nil
	}
	return client.PutDue(ctx, dueUntaken(a))
}

func dueUntaken(a store.Attachment) store.Due {
	return store.Due{ID: string(a.ID), Kind: UntakenKind, Ref: a.Blob, At: a.TakeBy}
}

// hold keeps a file for the message that names it, before that is committed:
// the file's own end counts from now on. One that is past its time is
// model.NotFound.
func (m *Media) hold(ctx context.Context, client *store.Client, a store.Attachment) (store.Attachment, error) {
	const op = "keep attachment for its message"
	for range maxConflicts {
		if a.Gone(m.o.Now()) {
			return a, model.Errorf(model.NotFound, op, "the attachment is past its retention")
		}
		if a.TakeBy.IsZero() || a.Message != "" {
			return a, nil
		}
		a.TakeBy = time.Time{}
		now, ok, err := client.PutAttachment(ctx, a)
		if err != nil {
			return a, err
		}
		if a = now; ok {
			failpoint.Hit("media.after_hold")
			return a, nil
		}
	}
	return a, model.Errorf(model.Unavailable, op, "the attachment keeps changing")
}

// RemoveUntaken removes a file for good that no message took in time: its row,
// then its bytes. It is the sweeper's deleter for what is due of UntakenKind,
// and may be repeated.
func (m *Media) RemoveUntaken(ctx context.Context, client *store.Client, d store.Due) error {
	// The row first: a message that would take the file now must find that it
	// is gone, not that its bytes are.
	removed, err := client.RemoveUntaken(ctx, model.AttachmentID(d.ID))
	if err != nil || !removed {
		return err
	}
	failpoint.Hit("media.after_untaken")
	return m.o.Blobs.For(client.ID).Discard(ctx, blob.Key(d.Ref))
}
