package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// Ledger counts what became of all that a client accepted, under a retention of
// days, with nobody reading its feed.
func Ledger(t *testing.T, s *store.Store, client model.ClientID, now func() time.Time) []retention.Ledger {
	t.Helper()
	lines, err := retention.NewSweeper(retention.SweeperOptions{
		Store: s, Policies: keeps{}, Now: now, Clients: func() []model.ClientID { return []model.ClientID{client} },
		Ends: retention.NewEnds(&retention.EndsOptions{Policies: keeps{}, Now: now}),
	}).Ledger(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// keeps is the policy of every client.
type keeps struct{}

func (keeps) Policy(_ context.Context, id model.ClientID) (retention.Policy, error) {
	return retention.Policy{Client: id, Keep: model.Retention{Messages: day, Undelivered: 7 * day, DeadLetters: 14 * day, Dedupe: 8 * day}}, nil
}
