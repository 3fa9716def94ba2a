package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/internal/awslocal"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// onDynamoDB are the places between two writes whose order matters most: the
// steps are the same on every driver, so a handful shows that the driver keeps
// what they rely on.
var onDynamoDB = []string{
	"table.between_steps", "inbound.after_E", "outbound.after_intent", "outbound.after_send", "outbound.after_outcome",
}

// TestCrashOnDynamoDB kills the hub like TestCrash, with its rows in DynamoDB.
func TestCrashOnDynamoDB(t *testing.T) {
	for _, site := range onDynamoDB {
		if !slices.Contains(failpoint.Names(), site) {
			t.Errorf("there is no site %s", site)
			continue
		}
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			h := newHub(t, p.URL)
			h.keepIn(storetest.Table(t), awslocal.DynamoDB(t))
			h.start(site + "=kill:2")
			talk(t, h, p)
			if h.starts < 2 {
				t.Errorf("the hub was never killed: no way of this test leads through %s", site)
			}
		})
	}
}

// keepIn puts the hub's rows into a table of DynamoDB.
func (h *hub) keepIn(table, endpoint string) {
	h.t.Helper()
	config := filepath.Join(h.dir, "hub.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		h.t.Fatal(err)
	}
	text = fmt.Appendf(text, "storage: {table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}}\n", table, endpoint)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
}
