package store

import (
	"path/filepath"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/keyslots"
)

func (f *fixture) slots(name string) *keyslots.File {
	f.t.Helper()
	slots, err := keyslots.Open(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = slots.Close() })
	return slots
}

func (f *fixture) slotted(slots KeySlots) *Store {
	return New(f.table, f.root, &Options{Now: f.Now, Slots: slots})
}

// A table that lost its rows is not taken for a new one while there are keys of
// what it held.
func TestTableLostBesideSlots(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	slots := f.slots("contact-keys")
	if err := f.slotted(slots).MatchKeySlots(ctx, true); err != nil {
		t.Fatal(err)
	}
	c := f.clientOf(f.slotted(slots), "acme")
	if _, err := c.Resolve(ctx, "acme-wa", []model.Address{{Kind: "phone", Value: "15550001"}}, "Ada"); err != nil {
		t.Fatal(err)
	}
	if err := f.slotted(slots).MatchKeySlots(ctx, false); err != nil {
		t.Errorf("its own table: %v", err)
	}
	empty := newFixture(t)
	for range 2 { // nothing is noted that would let the next start through
		if err := empty.slotted(slots).MatchKeySlots(ctx, false); !model.Is(err, model.Corrupt) {
			t.Errorf("an empty table: %v; want corrupt", err)
		}
	}
}

// Contact keys lie in slots and nowhere else; class keys are rows; what an
// older hub kept as a row still opens, and goes.
func TestContactKeysInSlots(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	address := []model.Address{{Kind: "phone", Value: "15550001"}}
	older, err := f.client("acme").Resolve(ctx, "acme-wa", address, "Ada")
	if err != nil {
		t.Fatal(err)
	}
	slots := f.slots("contact-keys")
	s := f.slotted(slots)
	c := f.clientOf(s, "acme")
	if k, err := c.Contact(ctx, older.Contact); err != nil || k.DisplayName != "Ada" {
		t.Errorf("a key among the rows: %v, %v; want Ada", k, err)
	}
	newer, err := c.Resolve(ctx, "acme-wa", []model.Address{{Kind: "phone", Value: "15550002"}}, "Bob")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slots.Load("acme", string(newer.Contact)); err != nil {
		t.Errorf("a new key is not in the slots: %v", err)
	}
	if _, err := c.rows.Get(ctx, keyPK(string(newer.Contact)), keySK); !model.Is(err, model.NotFound) {
		t.Errorf("a new key is among the rows: %v", err)
	}
	for _, d := range []Directory{older, newer} {
		if err := c.seal.DestroyKey(ctx, d.Key()); err != nil {
			t.Fatal(err)
		}
		// Another process has nothing in memory.
		if _, err := f.clientOf(f.slotted(slots), "acme").Contact(ctx, d.Contact); !model.Is(err, model.NotFound) {
			t.Errorf("a contact whose key is destroyed: %v; want not found", err)
		}
	}
	if err := c.seal.CreateKey(ctx, seal.Class("test")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.rows.Get(ctx, keyPK("class/test"), keySK); err != nil {
		t.Errorf("a class key is not among the rows: %v", err)
	}
}

func TestSlotsBelongToTheTable(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	own := f.slots("contact-keys")
	for range 2 {
		if err := f.slotted(own).MatchKeySlots(ctx, true); err != nil {
			t.Fatal(err)
		}
	}
	other := f.slots("other")
	if err := f.slotted(other).MatchKeySlots(ctx, true); !model.Is(err, model.NotFound) {
		t.Errorf("slots made anew: %v; want not found", err)
	}
	if err := f.slotted(other).MatchKeySlots(ctx, false); !model.Is(err, model.Conflicting) {
		t.Errorf("slots of another table: %v; want a conflict", err)
	}
}
