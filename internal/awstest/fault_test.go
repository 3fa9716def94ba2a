package awstest

import (
	"net/http"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// TestDynamoDBAway lets DynamoDB throttle, refuse, break and hang under a hub
// at work. Nobody is told yes meanwhile, /readyz names the table, and once
// DynamoDB is back everything goes on without a restart: what was accepted
// before is delivered, and what was refused can be repeated.
func TestDynamoDBAway(t *testing.T) {
	t.Parallel()
	for fault, test := range map[awslocal.Fault]struct{ name, detail string }{
		awslocal.Throttle: {"throttling", "throttled"},
		awslocal.Deny:     {"refusing", "denied"},
		awslocal.Break:    {"broken", "unavailable"},
		awslocal.Cut:      {"unreachable", "unavailable"},
		awslocal.Hang:     {"hanging", "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table := storetest.Table(t)
			proxy := awslocal.NewProxy(t, awslocal.DynamoDB(t))
			h := hubtest.New(t, &hubtest.Options{Config: onDynamoDB(table, proxy.URL)})
			k := beginTalk(t, h, "ada-"+test.name)

			proxy.Set(fault)
			away := newOutage(t)
			h.Provider.Handle(nil)
			k.refused(0)
			if status, rows := readiness(t, h); status != http.StatusServiceUnavailable || rows.State != "failed" || rows.Detail != test.detail {
				t.Errorf("/readyz is %d and says of the table %+v, want failed, %s", status, rows, test.detail)
			}
			if a := h.Call("", http.MethodGet, "/livez", nil); a.Status != http.StatusOK {
				t.Errorf("/livez is %d: the process is well", a.Status)
			}

			away.last(k.refused)
			proxy.Set(awslocal.Pass)
			away.over(h, "table")
			k.repeated()
		})
	}
}
