package chat

import (
	"bytes"
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// follow shows the browser its conversation: what it has not seen, then the
// state, and so on whenever it is poked. While the connector is away,
// rendering waits and the socket stays open.
func (s *socket) follow(ctx context.Context, at *position) {
	view := view{socket: s, at: at}
	retry := s.chat.limits.RetryMin
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.pokes:
		case <-timer.C:
		}
		known, err := view.catchUp(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !model.CodeOf(err).Temporary() {
				s.chat.log.Error("a conversation could not be shown", telemetry.FieldAccount, s.account.ID, "error", err)
			}
			timer.Reset(retry)
			retry = min(2*retry, s.chat.limits.RetryMax)
			continue
		case known:
			timer.Stop()
		default:
			// The first message may lie in a journal, of which nobody pokes.
			timer.Reset(s.chat.limits.LookAgain)
		}
		retry = s.chat.limits.RetryMin
	}
}

// view is what one browser has been shown. It belongs to the goroutine that
// follows the conversation.
type view struct {
	*socket
	at    *position // nil: nothing yet
	state []byte    // sent last

	// unsettled are shown messages with files that are not ready yet.
	unsettled map[model.MessageID]*model.Message
	// ahead are messages that a replay showed before the lane had them.
	ahead map[model.Random16]bool
}

// catchUp shows what is new, and reports whether the visitor has a
// conversation at all. After an error it can be repeated: what was shown is
// not shown again.
func (v *view) catchUp(ctx context.Context) (known bool, err error) {
	conv, err := v.conversation(ctx)
	if err != nil {
		return false, err
	}
	if conv == "" {
		v.show(ctx, state{Type: "state", Session: "none"})
		return false, nil
	}
	// T is read before what it tells of, so that the state is never ahead of
	// the poke that follows it.
	row, err := v.client.ReadConversation(ctx, conv)
	if err != nil && !model.Is(err, model.NotFound) {
		return true, err
	}
	if v.at == nil {
		if err := v.replay(ctx, conv); err != nil {
			return true, err
		}
	}
	for more := true; more; {
		if more, err = v.advance(ctx, conv, row.In); err != nil {
			return true, err
		}
	}
	if err := v.settle(ctx); err != nil {
		return true, err
	}
	v.show(ctx, stateOf(row))
	return true, nil
}

// show sends the state unless it is what was sent last.
func (v *view) show(ctx context.Context, now state) {
	b := encode(now)
	if bytes.Equal(b, v.state) {
		return
	}
	v.send(ctx, b)
	v.state = b
}

func stateOf(row store.Conversation) state {
	out := state{Type: "state", Session: "open", ReadUpTo: row.ReadByCSR}
	switch {
	case row.Session == "":
		out.Session = "none"
	case row.SessionEnded:
		out.Session, out.EndedBy = "ended", row.EndedBy
		if !row.EndedAt.IsZero() {
			at := model.At(row.EndedAt)
			out.EndedAt = &at
		}
	}
	return out
}
