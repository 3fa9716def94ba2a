package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func phone(s string) model.Address { return model.Address{Kind: model.Phone, Value: s} }

func bsuid(s string) model.Address { return model.Address{Kind: model.BSUID, Value: s} }

func (f *fixture) resolve(c *Client, account model.AccountID, addresses ...model.Address) Directory {
	f.t.Helper()
	d, err := c.Resolve(f.t.Context(), account, addresses, "Ada")
	if err != nil {
		f.t.Fatalf("resolve: %v", err)
	}
	return d
}

func TestFirstContact(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	if _, err := c.Find(t.Context(), "acct", phone("1")); !model.Is(err, model.NotFound) {
		t.Errorf("find nobody: %v, want not_found", err)
	}
	d := f.resolve(c, "acct", phone("1"), bsuid("b1"))
	if !d.Contact.Valid() || !d.Conversation.Valid() {
		t.Fatalf("directory %+v", d)
	}
	for name, c := range map[string]*Client{"same process": c, "another process": f.client("acme")} {
		for _, a := range []model.Address{phone("1"), bsuid("b1")} {
			if got, err := c.Find(t.Context(), "acct", a); err != nil || got != d {
				t.Errorf("%s: find %s: %+v, %v; want %+v", name, a.Kind, got, err, d)
			}
		}
		if got, err := c.DirectoryOf(t.Context(), "acct", d.Contact); err != nil || got != d {
			t.Errorf("%s: directory of the contact: %+v, %v", name, got, err)
		}
		k, err := c.Contact(t.Context(), d.Contact)
		want := model.Contact{ID: d.Contact, Address: "1", AddressKind: model.Phone, Addresses: []model.Address{phone("1"), bsuid("b1")}, DisplayName: "Ada"}
		if diff := cmp.Diff(want, k); err != nil || diff != "" {
			t.Errorf("%s: contact: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if other := f.resolve(c, "acct", phone("2")); other.Contact == d.Contact || other.Conversation == d.Conversation {
		t.Error("two people have one contact or conversation")
	}
	// A kind is part of an address, and no client knows another's.
	if _, err := c.Find(t.Context(), "acct", bsuid("1")); !model.Is(err, model.NotFound) {
		t.Errorf("the same value of another kind: %v, want not_found", err)
	}
	beta := f.client("beta")
	if _, err := beta.Find(t.Context(), "acct", phone("1")); !model.Is(err, model.NotFound) {
		t.Errorf("another client finds the address: %v", err)
	}
	if _, err := beta.Contact(t.Context(), d.Contact); !model.Is(err, model.NotFound) {
		t.Errorf("another client reads the contact: %v", err)
	}
	if _, err := c.Resolve(t.Context(), "acct", nil, ""); !model.Is(err, model.Invalid) {
		t.Errorf("nobody's event: %v, want invalid", err)
	}
}

// One person on two accounts is one contact with two conversations.
func TestOneContactOnTwoAccounts(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	one, two := f.resolve(c, "one", phone("1")), f.resolve(c, "two", phone("1"))
	if one.Contact != two.Contact || one.Conversation == two.Conversation {
		t.Errorf("on two accounts: %+v and %+v", one, two)
	}
	// Also when the other account hears of a further address first.
	three := f.resolve(c, "three", bsuid("b1"), phone("1"))
	if three.Contact != one.Contact {
		t.Error("a known address beside a new one made another contact")
	}
	for name, c := range map[string]*Client{"same process": c, "another process": f.client("acme")} {
		if d := f.resolve(c, "three", bsuid("b1")); d != three {
			t.Errorf("%s: the new address leads to %+v, want %+v", name, d, three)
		}
	}
}

// An address learned later leads to the same conversation, when it comes alone
// as well.
func TestAnAddressLearnedLater(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	d := f.resolve(c, "acct", phone("1"))
	if got := f.resolve(c, "acct", bsuid("b1"), phone("1")); got != d {
		t.Errorf("with a new address: %+v, want %+v", got, d)
	}
	for name, c := range map[string]*Client{"same process": c, "another process": f.client("acme")} {
		if got := f.resolve(c, "acct", bsuid("b1")); got != d {
			t.Errorf("%s: the new address alone: %+v, want %+v", name, got, d)
		}
	}
	// An address of somebody else stays that person's, whatever comes with it.
	other := f.resolve(c, "acct", phone("2"))
	if got := f.resolve(c, "acct", phone("1"), phone("2")); got != d {
		t.Errorf("two people's addresses: %+v, want the first's %+v", got, d)
	}
	for name, c := range map[string]*Client{"same process": c, "another process": f.client("acme")} {
		if got := f.resolve(c, "acct", phone("2")); got != other {
			t.Errorf("%s: the other's address: %+v, want %+v", name, got, other)
		}
	}
}

// Several hubs meet the same people at once, some with their addresses in
// another order.
func TestHubsThatMeetAnAddressAtOnceAgree(t *testing.T) {
	f := newFixture(t)
	hubs := []*Client{f.client("acme"), f.client("acme"), f.client("acme")}
	for round := range 15 {
		addresses := []model.Address{phone(fmt.Sprint(round)), bsuid(fmt.Sprint(round))}
		turned := slices.Clone(addresses)
		slices.Reverse(turned)
		found := make([]Directory, 9)
		var wg sync.WaitGroup
		for i := range found {
			wg.Go(func() {
				in := addresses
				if i%2 == 1 {
					in = turned
				}
				var err error
				if found[i], err = hubs[i%3].Resolve(t.Context(), "acct", in, "Ada"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		late := f.client("acme")
		for _, a := range addresses {
			found = append(found, f.resolve(late, "acct", a))
		}
		for i, d := range found {
			if d != found[0] {
				t.Fatalf("round %d: caller %d has %+v, caller 0 %+v", round, i, d, found[0])
			}
		}
		if _, err := late.Contact(t.Context(), found[0].Contact); err != nil {
			t.Errorf("round %d: contact: %v", round, err)
		}
	}
}

// A process that ends between any two rows of a first contact leaves nothing
// that a repeat does not complete.
func TestFirstContactAfterACrash(t *testing.T) {
	for _, landed := range []bool{false, true} {
		f := newFixture(t)
		f.client("acme") // the client's own rows are not part of this
		for n := 1; ; n++ {
			account := model.AccountID(fmt.Sprintf("acct-%d", n))
			in := []model.Address{phone(fmt.Sprint(n)), bsuid(fmt.Sprint(n)), phone(fmt.Sprint(n, "b"))}
			c := f.client("acme")
			came := f.crashAt(n, landed)
			_, err := c.Resolve(t.Context(), account, in, "Ada")
			if !came() {
				if n < 6 {
					t.Errorf("a first contact took %d rows, want the address, key, contact, directory and two more addresses", n-1)
				}
				break
			}
			if err == nil {
				t.Errorf("crash at row %d: no error", n)
			}
			// The repeat may come to the same process or another.
			for _, c := range []*Client{f.client("acme"), c} {
				d := f.resolve(c, account, in...)
				fresh := f.client("acme")
				for _, a := range in {
					if got := f.resolve(fresh, account, a); got != d {
						t.Errorf("crash at row %d: %s leads to %+v, want %+v", n, a.Kind, got, d)
					}
				}
				if k, err := fresh.Contact(t.Context(), d.Contact); err != nil || len(k.Addresses) != 3 {
					t.Errorf("crash at row %d: contact %v, %v", n, k.ID, err)
				}
			}
			page, err := f.table.For("acme").Query(t.Context(), table.Query{PK: directoryPK(account), Limit: 10})
			if err != nil || len(page.Rows) != 1 {
				t.Errorf("crash at row %d: %d directory rows, %v; want one", n, len(page.Rows), err)
			}
		}
	}
}

func TestAKnownContactCostsNothing(t *testing.T) {
	f := newFixture(t)
	c := f.client("acme")
	f.resolve(c, "acct", phone("1"), bsuid("b1"))
	var spent float64
	counted := table.New(f.db, &table.Options{Now: f.Now, OnCost: func(c table.Cost) { spent += c.WriteUnits + c.ReadUnits }})
	c.rows = counted.For("acme")
	f.resolve(c, "acct", phone("1"), bsuid("b1"))
	if spent != 0 {
		t.Errorf("finding a known contact again cost %v units", spent)
	}
}
