package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

// adminStores returns n stores over one table, as n hubs would have them.
func adminStores(t *testing.T, n int) (*table.Table, []*store.Store) {
	t.Helper()
	return adminStoresAt(t, n, nil)
}

func adminStoresAt(t *testing.T, n int, opts *store.Options) (*table.Table, []*store.Store) {
	t.Helper()
	dir := t.TempDir()
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	tab := table.New(rows, nil)
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := localkeys.Open(filepath.Join(dir, "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*store.Store, n)
	for i := range all {
		all[i] = store.New(tab, keys.New(ring), opts)
	}
	return tab, all
}

func act(action, subject string) store.Act {
	return store.Act{Actor: "ops", Role: "configurator", Action: action, Subject: subject, Outcome: "done"}
}

func auditLog(t *testing.T, s *store.Store) []store.AuditRow {
	t.Helper()
	rows, err := s.AuditRows(t.Context(), 0, 900)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func subjects(rows []store.AuditRow) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, r.Action+" "+r.Subject)
	}
	return out
}

func TestAdminChangesCarryTheirAuditRow(t *testing.T) {
	_, all := adminStores(t, 1)
	s := all[0]
	ctx := t.Context()
	if err := s.PutToken(ctx, store.Token{ID: "one", Role: "operator"}, act("token.create", "token/one")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetOverride(ctx, store.PluginOff, "echo", act("plugin.disable", "plugin/echo")); err != nil {
		t.Fatal(err)
	}
	o, there, err := s.Override(ctx, store.PluginOff, "echo")
	if err != nil || !there || o.By != "ops" {
		t.Fatalf("override %+v, %v, %v; want one by ops", o, there, err)
	}
	// Repeating the act changes nothing and so records nothing.
	if err := s.SetOverride(ctx, store.PluginOff, "echo", act("plugin.disable", "plugin/echo")); err != nil {
		t.Fatal(err)
	}
	if err := s.LiftOverride(ctx, o, act("plugin.enable", "plugin/echo")); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Overrides(ctx); err != nil || len(left) != 0 {
		t.Errorf("overrides %v, %v; want none", left, err)
	}
	want := []string{"token.create token/one", "plugin.disable plugin/echo", "plugin.enable plugin/echo"}
	if diff := cmp.Diff(want, subjects(auditLog(t, s))); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

// A change that does not happen leaves no audit row: I7.
func TestRefusedChangesLeaveNoAuditRow(t *testing.T) {
	_, all := adminStores(t, 1)
	s := all[0]
	ctx := t.Context()
	if err := s.PutToken(ctx, store.Token{ID: "one"}, act("token.create", "token/one")); err != nil {
		t.Fatal(err)
	}
	// Made from nothing, while the row is there.
	err := s.PutToken(ctx, store.Token{ID: "one"}, act("token.create", "token/one"))
	if !model.Is(err, model.Conflicting) {
		t.Errorf("second create: %v, want conflict", err)
	}
	if err := s.SetOverride(ctx, store.AccountOff, "a1", act("account.pause", "account/a1")); err != nil {
		t.Fatal(err)
	}
	o, _, err := s.Override(ctx, store.AccountOff, "a1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LiftOverride(ctx, o, act("account.resume", "account/a1")); err != nil {
		t.Fatal(err)
	}
	if err := s.LiftOverride(ctx, o, act("account.resume", "account/a1")); !model.Is(err, model.Conflicting) {
		t.Errorf("second lift: %v, want conflict", err)
	}
	want := []string{"token.create token/one", "account.pause account/a1", "account.resume account/a1"}
	if diff := cmp.Diff(want, subjects(auditLog(t, s))); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

func TestTheAuditChainOfSeveralHubsHasNoGap(t *testing.T) {
	const hubs, each = 4, 20
	_, all := adminStores(t, hubs)
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			for j := range each {
				id := fmt.Sprintf("t%d-%d", i, j)
				if err := s.PutToken(t.Context(), store.Token{ID: id}, act("token.create", "token/"+id)); err != nil {
					t.Errorf("create %s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	tokens, err := all[0].Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(tokens) != hubs*each {
		t.Errorf("%d tokens, want %d", len(tokens), hubs*each)
	}
	rows := auditLog(t, all[0]) // checks the links
	seen := map[string]bool{}
	var last time.Time
	for _, r := range rows {
		if r.At.Before(last) {
			t.Errorf("row %d is older than the one before it", r.N)
		}
		last, seen[r.Subject] = r.At, true
	}
	if len(rows) != hubs*each || len(seen) != hubs*each {
		t.Errorf("%d rows about %d tokens, want %d of each", len(rows), len(seen), hubs*each)
	}
	// A page that begins inside the chain is linked to what lies before it.
	page, err := all[0].AuditRows(t.Context(), 7, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows[7:10], page); diff != "" {
		t.Errorf("page behind row 7 (-want +got):\n%s", diff)
	}
}

func TestAuditRowsFindTampering(t *testing.T) {
	tampered := map[string]func(ctx context.Context, rows []table.Row, h table.Handle) error{
		"changed": func(ctx context.Context, rows []table.Row, h table.Handle) error {
			value := append([]byte{}, rows[1].Value...)
			value[len(value)-20] ^= 1
			_, err := h.Commit(ctx, table.Put("audit", rows[1].SK, value))
			return err
		},
		"removed": func(ctx context.Context, rows []table.Row, h table.Handle) error {
			_, err := h.Commit(ctx, table.Delete("audit", rows[1].SK))
			return err
		},
		"moved": func(ctx context.Context, rows []table.Row, h table.Handle) error {
			_, err := h.Commit(ctx, table.Put("audit", rows[1].SK, rows[2].Value))
			return err
		},
	}
	for name, tamper := range tampered {
		t.Run(name, func(t *testing.T) {
			tab, all := adminStores(t, 1)
			for _, id := range []string{"one", "two", "three"} {
				if err := all[0].PutToken(t.Context(), store.Token{ID: id}, act("token.create", "token/"+id)); err != nil {
					t.Fatal(err)
				}
			}
			page, err := tab.Hub().Query(t.Context(), table.Query{PK: "audit", From: "\x01", Limit: 10})
			if err != nil || len(page.Rows) != 3 {
				t.Fatalf("%d rows, %v", len(page.Rows), err)
			}
			if err := tamper(t.Context(), page.Rows, tab.Hub()); err != nil {
				t.Fatal(err)
			}
			if rows, err := all[0].AuditRows(t.Context(), 0, 10); !model.Is(err, model.Corrupt) {
				t.Errorf("%d rows, %v; want corrupt", len(rows), err)
			}
		})
	}
}
