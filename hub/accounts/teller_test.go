package accounts_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// telling is a registry with one account, over real rows.
type telling struct {
	t        *testing.T
	store    *store.Store
	registry *accounts.Registry
	teller   *accounts.Teller
	now      time.Time
}

func newTelling(t *testing.T) *telling {
	x := &telling{t: t, store: storetest.Open(t, nil).Store(), registry: accounts.NewRegistry(), now: time.Now()}
	x.registry.Replace(set("acme-a"))
	x.restart()
	return x
}

// restart makes the teller anew, as the next process does.
func (x *telling) restart() {
	x.teller = accounts.NewTeller(accounts.TellerOptions{
		Registry: x.registry, Store: x.store, Now: func() time.Time { return x.now }, Settle: time.Second,
	})
}

func (x *telling) move(to accounts.State) { x.registry.Move("acme-a", to, "", x.now) }

// pass lets time go by and returns when the teller wants to look again.
func (x *telling) pass(d time.Duration) time.Duration {
	x.now = x.now.Add(d)
	return x.teller.Pass(x.t.Context())
}

// told lists what lies in the feed.
func (x *telling) told(want ...string) {
	x.t.Helper()
	client, err := x.store.Client(x.t.Context(), "acme")
	if err != nil {
		x.t.Fatal(err)
	}
	rows, err := client.AccountFeed().Read(x.t.Context(), 0, 100)
	if err != nil {
		x.t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Kind != store.AccountRecord || r.Type != model.AccountStatus || r.Account != "acme-a" || r.Conversation != "" {
				x.t.Errorf("record %+v", r)
			}
			got = append(got, string(r.Old)+" "+string(r.New))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		x.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestTellerTellsEachChangeOnce(t *testing.T) {
	x := newTelling(t)
	x.pass(time.Minute)
	x.move(accounts.Open)
	x.pass(time.Minute)
	x.told() // it counted as open
	x.move(accounts.Degraded)
	x.pass(2 * time.Second)
	x.pass(2 * time.Second)
	x.move(accounts.Paused)
	x.pass(2 * time.Second)
	x.restart()
	x.pass(2 * time.Second)
	x.told("open degraded", "degraded paused")
	x.move(accounts.Closed)
	x.move(accounts.Open)
	x.pass(2 * time.Second)
	x.told("open degraded", "degraded paused", "paused open")
}

// TestTellerWaits: who was back at once was never away.
func TestTellerWaits(t *testing.T) {
	x := newTelling(t)
	x.move(accounts.Open)
	x.pass(time.Minute)
	x.move(accounts.PluginAway)
	if again := x.pass(400 * time.Millisecond); again != 600*time.Millisecond {
		t.Errorf("it looks again in %v", again)
	}
	x.move(accounts.Open)
	x.pass(2 * time.Second)
	x.told()
	x.move(accounts.PluginAway)
	x.pass(2 * time.Second)
	x.told("open plugin_away")
}

// TestTellerMendsACrash: a row whose record is missing is told by the next
// process, and not twice.
func TestTellerMendsACrash(t *testing.T) {
	x := newTelling(t)
	client, err := x.store.Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	told, err := client.AccountTold(t.Context(), "acme-a")
	if err != nil {
		t.Fatal(err)
	}
	told.State, told.Was, told.Seq, told.At = "blocked", "open", 1, x.now
	if _, ok, err := client.PromiseAccount(t.Context(), told); err != nil || !ok {
		t.Fatal(ok, err)
	}
	x.move(accounts.Open)
	x.pass(2 * time.Second)
	x.restart()
	x.pass(2 * time.Second)
	x.told("open blocked", "blocked open")
}

// TestTwoTellers: two processes that see the same change tell it once.
func TestTwoTellers(t *testing.T) {
	x := newTelling(t)
	x.move(accounts.Refused)
	x.pass(2 * time.Second)
	other := x.teller
	x.restart()
	x.move(accounts.Open)
	x.pass(2 * time.Second)
	other.Pass(t.Context())
	x.told("open refused", "refused open")
}
