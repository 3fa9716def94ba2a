package admin

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// fakeSweeper has one line in each client's ledger.
type fakeSweeper struct{ Sweeper }

func (fakeSweeper) Ledger(_ context.Context, id model.ClientID) ([]retention.Ledger, error) {
	return []retention.Ledger{{Client: id, Account: "some", Direction: model.Inbound}}, nil
}

// TestListsOfAClient: a client that there is not is told, and not taken for one
// of which nothing is kept. One that the configuration has dropped is there
// until it is removed.
func TestListsOfAClient(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Sweeper = fakeSweeper{} })
	for _, id := range []model.ClientID{"acme", "gone", "removed"} {
		if err := f.store.NoteClient(t.Context(), store.KnownClient{ID: id, Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	act := store.Act{Actor: "boot-configurator", Role: "configurator", Action: "client.remove", RequestID: "req_1"}
	if _, err := f.store.BeginRemoval(t.Context(), store.Removal{Client: "removed", Step: store.RemovalWaiting}, act); err != nil {
		t.Fatal(err)
	}
	for path, ids := range map[string]map[string]int{
		"accounts":    {"acme": 200, "gone": 404, "removed": 404, "typo": 404, "": 200},
		"retention":   {"gone": 404, "removed": 404, "typo": 404},
		"ledger":      {"acme": 200, "gone": 200, "removed": 404, "typo": 404, "": 200},
		"deadletters": {"acme": 200, "gone": 200, "removed": 404, "typo": 404, "": 200},
	} {
		for id, status := range ids {
			role := access.Operator
			if path == "accounts" {
				role = access.Configurator
			}
			if w := f.do(role, "GET", "/admin/v1/"+path+"?client="+id, ""); w.Code != status {
				t.Errorf("%s of %q: %d %s, want %d", path, id, w.Code, w.Body, status)
			}
		}
	}
	var clients []model.ClientID
	for _, l := range want[web.List[LedgerLine]](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/ledger", "")).Data {
		clients = append(clients, l.ClientID)
	}
	if len(clients) != 3 || clients[0] != "acme" || clients[1] != "beta" || clients[2] != "gone" {
		t.Errorf("the ledger is of %v", clients)
	}
}
