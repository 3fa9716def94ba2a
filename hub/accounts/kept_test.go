package accounts_test

import (
	"slices"
	"testing"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
)

// TestKeptSecrets: what a connector keeps stands beside the configuration,
// never against it, and only under the revision it was given.
func TestKeptSecrets(t *testing.T) {
	r := accounts.NewRegistry()
	s := set("acme-a")
	a := s.Accounts["acme-a"]
	a.Revision, a.Secrets = 3, accounts.Secrets{"app": {"configured"}}
	s.Accounts["acme-a"] = a
	r.Replace(s)
	if _, ok := r.Keep("acme-a", 2, accounts.Secrets{"token": {"t"}}, 4); ok {
		t.Error("a secret of older settings was kept")
	}
	a, ok := r.Keep("acme-a", 3, accounts.Secrets{"token": {"t"}, "app": {"mine"}}, 4)
	if !ok || a.Revision != 4 {
		t.Fatalf("kept %v, revision %d", ok, a.Revision)
	}
	if all := a.AllSecrets(); !slices.Equal(all["app"], []string{"configured"}) || !slices.Equal(all["token"], []string{"t"}) {
		t.Error("the secrets are not the configured ones and the kept")
	}
}

func TestSecretRows(t *testing.T) {
	rows := storetest.Open(t, nil)
	client, err := rows.Store().Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"one", "two"} {
		if err := client.PutSecret(t.Context(), "acme-a", "token", v); err != nil {
			t.Fatal(err)
		}
	}
	if client, err = rows.Store().Client(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	got, err := client.Secrets(t.Context(), "acme-a")
	if err != nil || len(got) != 1 || got["token"] != "two" {
		t.Errorf("%d secrets, %v", len(got), err)
	}
	if got, err := client.Secrets(t.Context(), "acme-b"); err != nil || len(got) != 0 {
		t.Errorf("I8: another account has %d, %v", len(got), err)
	}
}
