package awstest

import (
	"net/http"
	"strings"
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
			customer := "ada-" + test.name
			h.Say(customer, test.name+"-1", "before")
			// Accepted, and not yet delivered: the provider throttles.
			h.Provider.Handle(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
			})
			accepted := h.Send(customer, "answer")

			proxy.Set(fault)
			away := newOutage(t)
			h.Provider.Handle(nil)
			lost := map[string]string{"id": test.name + "-2", "from": customer, "name": customer, "text": "during"}
			key := "key-" + test.name
			refused := func(who string, a hubtest.Answer) {
				if a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
					t.Errorf("I1: the %s is answered %d, Retry-After %q", who, a.Status, a.Header.Get("Retry-After"))
				}
			}
			try := func(int) {
				refused("provider", h.Hook(lost))
				refused("client", h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", hubtest.Text(customer, "again"), "Idempotency-Key", key))
			}
			try(0)
			if status, rows := readiness(t, h); status != http.StatusServiceUnavailable || rows.State != "failed" || rows.Detail != test.detail {
				t.Errorf("/readyz is %d and says of the table %+v, want failed, %s", status, rows, test.detail)
			}
			if a := h.Call("", http.MethodGet, "/livez", nil); a.Status != http.StatusOK {
				t.Errorf("/livez is %d: the process is well", a.Status)
			}

			away.last(try)
			proxy.Set(awslocal.Pass)
			away.over(h, "table")
			h.Await(accepted.ID, "sent")
			if a := h.Hook(lost); a.Status != http.StatusOK {
				t.Errorf("the provider's repeat is answered %d", a.Status)
			}
			var sent hubtest.Message
			a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", hubtest.Text(customer, "again"), "Idempotency-Key", key)
			if a.Status != http.StatusAccepted {
				t.Fatalf("the client's repeat is answered %d", a.Status)
			}
			decode(t, a, &sent)
			h.Await(sent.ID, "sent")
			if got := strings.Join(received(h.Events(hubtest.Archive, "limit=100")), " "); got != "before during" {
				t.Errorf("I2, I3: the feed says %q", got)
			}
			times := map[string]int{}
			for _, p := range h.Provider.Posts() {
				times[p.ID]++
			}
			if times[accepted.ID] == 0 || times[sent.ID] == 0 || len(times) != 2 {
				t.Errorf("I2: the provider got %v", times)
			}
		})
	}
}
