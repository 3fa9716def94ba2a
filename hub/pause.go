package hub

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Why an account is paused.
const (
	pausedDetail = "paused by an operator"
	unreadDetail = "whether an operator paused the account cannot be read; it stays paused until that can be: see the state of the store in /readyz?verbose"
)

// unreadEvery is how often an override that could not be read is read again.
const unreadEvery = 2 * time.Second

// pauseOf reads whether an operator paused an account, and says why it counts
// as paused. It does where that cannot be read: what an operator held back would
// leave, and cannot be called back.
func (h *Hub) pauseOf(ctx context.Context, id model.AccountID) (why string, paused bool) {
	_, paused, err := h.store.Override(ctx, store.AccountOff, string(id))
	if err != nil {
		h.log.Warn("an account's override could not be read; until it can be, the account counts as paused", telemetry.FieldAccount, id, "error", err)
		h.unread.Store(id, nil)
		return unreadDetail, true
	}
	h.unread.Delete(id)
	return pausedDetail, paused
}

// watchUnread reads on for overrides that could not be read.
func (h *Hub) watchUnread(ctx context.Context) {
	tick := time.NewTicker(unreadEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.readAgain(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// readAgain tries each override that could not be read once more. Who turns out
// not to be paused is resumed.
func (h *Hub) readAgain(ctx context.Context) {
	h.unread.Range(func(key, _ any) bool {
		id, _ := key.(model.AccountID)
		acct, ok := h.accounts.Account(id)
		if !ok {
			h.unread.Delete(id)
			return true
		}
		_, paused, err := h.store.Override(ctx, store.AccountOff, string(id))
		if err != nil {
			return ctx.Err() == nil
		}
		if !paused {
			h.move(id, accounts.Closed, "")
		}
		h.openAccount(ctx, acct)
		return true
	})
}
