package outbound

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// Report takes what a provider says of outbound messages. It returns once that
// is durable. A receipt for a message that is not known yet waits for it.
// Statuses move forward only: an older receipt changes nothing.
func (o *Outbound) Report(ctx context.Context, acct accounts.Account, rep pluginhost.StatusReport) error {
	const op = "report status"
	switch rep.Status {
	case model.Sent, model.Delivered, model.Read, model.Failed:
	default:
		return model.Errorf(model.Invalid, op, "a receipt says sent, delivered, read or failed")
	}
	client, err := o.Store.Client(ctx, acct.Client)
	if err != nil {
		return err
	}
	switch {
	case rep.MessageID != "":
		place, ok := rep.MessageID.Place()
		if !ok || place.Direction != model.Outbound {
			return model.Errorf(model.NotFound, op, "there is no such message")
		}
		return o.reportTo(ctx, client, acct, place.Conversation, place.Key, rep)
	case rep.ProviderID != "":
		return o.reportProvider(ctx, client, acct, rep)
	case rep.Watermark != nil:
		return o.reportWatermark(ctx, client, acct, rep)
	}
	return model.Errorf(model.Invalid, op, "a receipt names a message, a provider id or a watermark")
}

func (o *Outbound) reportTo(ctx context.Context, client *store.Client, acct accounts.Account, conv model.ConversationID, id model.Random16, rep pluginhost.StatusReport) error {
	msg, err := client.Outbound(ctx, conv, id)
	if err != nil {
		return err
	}
	if msg.Account != acct.ID {
		return model.Errorf(model.NotFound, "report status", "there is no such message")
	}
	// A failure of a message that was never tried is nobody's receipt; one that
	// overtakes the outcome of the first attempt is.
	tried := rep.Status != model.Failed || msg.Attempts > 0 || o.Sending(ctx, client, msg)
	_, err = o.move(ctx, client, msg, func(m *store.Outbound) bool {
		if m.Status == model.Queued && m.Attempts == 0 && !tried {
			return false
		}
		if !news(m.Status, m.Failure, rep.Status) {
			return false
		}
		return o.change(m, rep.Status, 0, failureOf(rep))
	})
	if err == nil {
		o.poke(client.ID, conv)
	}
	return err
}

// news reports whether a receipt can be later word than a status. That the
// provider took the message is older than that it failed with it: against a
// failure it stands only where that was the hub's own guess.
func news(now model.Status, why *model.Failure, receipt model.Status) bool {
	return now != model.Failed || receipt != model.Sent || why != nil && why.Code == codeUnknown
}

func failureOf(rep pluginhost.StatusReport) *model.Failure {
	if rep.Status != model.Failed {
		return nil
	}
	if rep.Failure == nil {
		return &model.Failure{Code: "failed"}
	}
	f := *rep.Failure
	f.Code = orElse(f.Code, "failed")
	return &f
}

// reportProvider finds the message by the provider's id, or leaves the receipt
// where the outcome of the attempt will meet it.
func (o *Outbound) reportProvider(ctx context.Context, client *store.Client, acct accounts.Account, rep pluginhost.StatusReport) error {
	key, err := client.ProviderKey(ctx, acct.ID, rep.ProviderID)
	if err != nil {
		return err
	}
	row, err := client.ProviderRow(ctx, key)
	if model.Is(err, model.NotFound) {
		row, err = store.ProviderRow{Key: key}, nil
	}
	if err != nil {
		return err
	}
	for range maxMoves {
		if row.Known() {
			return o.reportTo(ctx, client, acct, row.Conversation, row.UUID, rep)
		}
		next, worth := withEarly(row, rep, o.Now())
		if !worth {
			return nil
		}
		now, ok, err := client.PutProvider(ctx, next)
		if err != nil || ok {
			return err
		}
		row = now
	}
	return model.Errorf(model.Unavailable, "report status", "the message keeps changing")
}

// withEarly is the row with the receipt in it, and whether that says more than
// the receipt that waits there already.
func withEarly(row store.ProviderRow, rep pluginhost.StatusReport, now time.Time) (store.ProviderRow, bool) {
	if row.Early != "" && (!row.Early.CanMove(rep.Status) || !news(row.Early, nil, rep.Status)) {
		return row, false
	}
	row.Early, row.EarlyAt, row.EarlyCode, row.ProviderCode = rep.Status, now, "", ""
	if f := failureOf(rep); f != nil {
		row.EarlyCode, row.ProviderCode = f.Code, f.ProviderCode
	}
	return row, true
}

// claimProviderIDs says whose the ids are and returns the receipts that came
// before.
func (o *Outbound) claimProviderIDs(ctx context.Context, client *store.Client, msg store.Outbound, ids []string) ([]store.ProviderRow, error) {
	var early []store.ProviderRow
	for _, id := range ids {
		key, err := client.ProviderKey(ctx, msg.Account, id)
		if err != nil {
			return nil, err
		}
		row := store.ProviderRow{Key: key}
		for n := 0; ; n++ {
			if n == maxMoves {
				return nil, model.Errorf(model.Unavailable, "claim provider id", "the receipts keep changing")
			}
			if row.Known() && (row.Conversation != msg.Conversation || row.UUID != msg.UUID) {
				break // the provider gave this id to another message
			}
			if row.Early != "" {
				early = append(early, row)
			}
			if row.Known() {
				break // an earlier try to write this outcome claimed it
			}
			row.Conversation, row.UUID, row.Expires = msg.Conversation, msg.UUID, msg.Expires
			now, ok, err := client.PutProvider(ctx, row)
			if err != nil {
				return nil, err
			}
			if ok {
				break
			}
			row = now
		}
	}
	return early, nil
}

// reportWatermark moves every message to the contact up to the time. What was
// not sent cannot have been read, whatever came behind it: a watermark is no
// word about a message that failed.
func (o *Outbound) reportWatermark(ctx context.Context, client *store.Client, acct accounts.Account, rep pluginhost.StatusReport) error {
	dir, err := client.Find(ctx, acct.ID, rep.Watermark.Address)
	if err != nil {
		return err
	}
	all, err := client.Messages(ctx, dir.Conversation)
	if err != nil {
		return err
	}
	for _, msg := range all {
		if msg.Created.After(rep.Watermark.UpTo) || msg.Status != model.Sent && msg.Status != model.Delivered {
			continue
		}
		if err := o.reportTo(ctx, client, acct, msg.Conversation, msg.UUID, rep); err != nil {
			return err
		}
	}
	return nil
}
