package journal

import (
	"context"
	"strconv"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// Why an entry left a dead letter.
const (
	reasonRefused    = "refused"           // its connector answered it with 4xx
	reasonFails      = "connector_failing" // its connector failed on it too often
	reasonUnreadable = "unreadable"        // what was kept does not open
)

// letter leaves the dead letter of an entry with the client whose account it
// came for. Who of a connector's clients an entry was for is not known where
// the account is gone from configuration: that entry leaves none.
func (j *Journal) letter(ctx context.Context, route store.JournalRoute, e store.JournalEntry, content []byte, reason string) error {
	acct, ok := j.Accounts.Account(accountOf(route, e, content))
	if !ok {
		return nil
	}
	client, err := j.Store.Client(ctx, acct.Client)
	if err != nil {
		return err
	}
	owner, _ := j.Accounts.Client(acct.Client)
	now := j.Now()
	d := store.DeadLetter{Account: acct.ID, Reason: reason, Attempts: 1, At: now, Expires: now.Add(owner.Retention.DeadLetters), Route: route, Kind: e.Kind}
	if reason == reasonFails {
		d.Attempts = maxAttempts
	}
	// A repeat behind a crash writes the same letter.
	if d.UUID, err = client.LetterID(ctx, e.Received, route.String(), strconv.FormatUint(e.N, 10)); err != nil {
		return err
	}
	if d.Parts, err = client.PutLetterContent(ctx, d, content); err != nil {
		return err
	}
	if err := client.PutDeadLetter(ctx, d); err != nil {
		return err
	}
	j.Metrics.DeadLettered()
	return nil
}

// accountOf is the account an entry came for: its route's, or the one whose
// secret verified a request of the connector as a whole.
func accountOf(route store.JournalRoute, e store.JournalEntry, content []byte) model.AccountID {
	if route.Account != "" || e.Kind != store.JournalRequest {
		return route.Account
	}
	var k keptRequest
	_, _ = unpack(content, &k) // what does not decode names nobody
	return k.Under
}

// ReplayLetter hands the content of a letter to its connector once more. What
// the connector took already is known by its dedupe keys, so that a repeat
// behind a crash is harmless.
func (j *Journal) ReplayLetter(ctx context.Context, client *store.Client, d store.DeadLetter) error {
	const op = "replay dead letter"
	if !j.Ready(d.Route.Plugin, d.Route.Account) {
		return model.Errorf(model.Unavailable, op, "The connector %s does not run, or the account is not open.", d.Route.Plugin)
	}
	content, err := client.LetterContent(ctx, d)
	if err != nil {
		return err
	}
	take := j.requests
	if d.Kind == store.JournalFrame {
		take = j.frames
	}
	made, err := take(ctx, d.Route, [][]byte{content})
	if err != nil {
		return err
	}
	if len(made) != 1 {
		return model.Errorf(model.Internal, op, "the connector answered %d times", len(made))
	}
	v := made[0].commit(ctx)
	if v == refused {
		return model.Errorf(model.Conflicting, op, "The connector refused it again; the dead letter stays.")
	}
	if v.err != nil {
		return v.err
	}
	failpoint.Hit("deadletter.after_take")
	_, err = client.MarkDeadLetter(ctx, d, store.LetterReplayed)
	return err
}
