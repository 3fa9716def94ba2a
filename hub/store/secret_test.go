package store_test

import (
	"fmt"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
)

// TestSecretsOfAnAccountAreFew: sixteen are kept, and those may still be
// renewed; another account has its own.
func TestSecretsOfAnAccountAreFew(t *testing.T) {
	c, err := storetest.Open(t, nil).Store().Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 16 {
		if err := c.PutSecret(t.Context(), "shop", fmt.Sprintf("n%d", n), "v"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PutSecret(t.Context(), "shop", "n16", "v"); !model.Is(err, model.TooLarge) {
		t.Errorf("the seventeenth: %v, want too_large", err)
	}
	if err := c.PutSecret(t.Context(), "shop", "n3", "renewed"); err != nil {
		t.Errorf("renew one: %v", err)
	}
	if err := c.PutSecret(t.Context(), "help", "n16", "v"); err != nil {
		t.Errorf("another account: %v", err)
	}
	all, err := c.Secrets(t.Context(), "shop")
	if err != nil || len(all) != 16 || all["n3"] != "renewed" {
		t.Errorf("%d secrets, %v", len(all), err)
	}
}
