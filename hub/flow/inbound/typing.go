package inbound

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

const (
	// signalEvery is the shortest distance of two typing records of a
	// conversation; what comes in between is taken and not recorded.
	signalEvery = 3 * time.Second
	// typedCache covers who types at one time; who falls out of it is recorded
	// once more.
	typedCache = 20_000
)

// signal records that the customer is typing: one feed record at most, no
// event row.
func (in *Inbound) signal(ctx context.Context, client *store.Client, acct accounts.Account, dir store.Directory) error {
	unlock, err := in.lock(ctx, dir.Conversation)
	if err != nil {
		return err
	}
	defer unlock()
	now := in.Now()
	if last, ok := in.typed.GetIfPresent(dir.Conversation); ok && now.Sub(last) < signalEvery {
		return nil
	}
	feed := client.Feed(dir.Conversation)
	tail, err := feed.Tail(ctx)
	if err != nil {
		return err
	}
	_, err = feed.Append(ctx, store.Record{
		Kind: store.SignalRecord, Conversation: dir.Conversation, Type: model.TypingStarted,
		// What two hubs hear in the same three seconds is one record.
		Key:     signalKey(now),
		Account: acct.ID, Direction: model.Inbound, At: store.Millis(now), Author: model.Customer,
	}, tail)
	if err != nil {
		return fmt.Errorf("record signal: %w", err)
	}
	in.typed.Set(dir.Conversation, now)
	in.tell(client.ID, dir.Conversation)
	return nil
}

func signalKey(now time.Time) model.Random16 {
	var k model.Random16
	n := uint64(now.UnixNano() / int64(signalEvery))
	for i := range 8 {
		k[i] = byte(n >> (8 * i))
	}
	return k
}
