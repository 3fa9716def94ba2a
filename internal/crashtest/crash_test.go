package crashtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/internal/failpoint"
)

// special sites lie on ways that an ordinary conversation does not take; each
// has a test of its own below. Those of the sweeper are hit a day later: package
// retention kills it there, under a clock of its own. A replay of a dead letter
// is killed by package outbound. Steps are one commit on the embedded table, so
// that there is nothing between them; on DynamoDB there is.
// Echo sends and takes no files: those sites are on the ways of TestCrashFiles.
var special = []string{
	"table.between_steps", "outbound.after_takeover", "outbound.after_dead_letter", "outbound.after_take", "accounts.after_told",
	"consumer.after_list", "consumer.after_row",
}

// elsewhere are the beginnings of sites on no way of TestCrash. Here kill
// TestCrashAuditCopy, TestCrashReplayedLetter and TestCrashFiles; the rest is
// killed where a test has the clock in its hand, with a process of its own: in
// hub/store (trims of the audit log), hub/retention, hub/removal, hub/erasure,
// hub/flow/outbound (dead letters), hub/flow/media (files that are due) and
// hub/flow/inbound (contexts of sessions).
var elsewhere = []string{"audit.", "retention.", "deadletter.", "media.", "removal.", "session.", "erasure."}

func isElsewhere(site string) bool {
	return slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(site, prefix) })
}

// TestCrash kills the hub at each site in turn, in the middle of two
// conversations, and checks that nobody was told anything that did not hold.
func TestCrash(t *testing.T) {
	for _, site := range failpoint.Names() {
		if slices.Contains(special, site) || isJournal(site) || isElsewhere(site) {
			continue
		}
		hits := []string{"1", "4"}
		if strings.HasPrefix(site, "contact.") {
			hits[1] = "2" // there are two customers
		}
		for _, hit := range hits {
			t.Run(site+"/"+hit, func(t *testing.T) {
				t.Parallel()
				p := newProvider(t)
				h := newHub(t, p.URL)
				h.start(site + "=kill:" + hit)
				talk(t, h, p)
				if h.starts < 2 {
					t.Errorf("the hub was never killed: no way of this test leads through %s", site)
				}
			})
		}
	}
}

const messages = 4

// talk holds two conversations, answers them, and checks the end.
func talk(t *testing.T, h *hub, p *provider) {
	t.Helper()
	customers := []string{"ada", "bob"}
	contacts := receive(t, h, customers)
	ids := answer(t, h, customers, contacts)
	deliver(t, h, p, ids)
	check(t, h, p, customers, ids)
}

// receive tells the hub what the customers write, repeating what was not
// acknowledged, and returns their contact ids.
func receive(t *testing.T, h *hub, customers []string) map[string]string {
	t.Helper()
	for n := range messages {
		for _, who := range customers {
			in := map[string]string{
				"id": fmt.Sprintf("%s-%d", who, n), "from": who, "name": who,
				"text": fmt.Sprintf("%s says %d", who, n), "at": time.Now().UTC().Format(time.RFC3339),
			}
			h.eventually("receive a message", func(ctx context.Context) error { return h.post(ctx, in) })
			if n%2 == 1 { // a provider may repeat what was acknowledged, too
				h.eventually("receive a message again", func(ctx context.Context) error { return h.post(ctx, in) })
			}
		}
	}
	contacts := map[string]string{}
	for _, ev := range h.events(desk) {
		contacts[ev.Contact.Address] = ev.Contact.ID
	}
	return contacts
}

// answer submits answers, repeating what was not accepted under the same key,
// and returns the accepted ids for each customer in the order of submission.
func answer(t *testing.T, h *hub, customers []string, contacts map[string]string) map[string][]string {
	t.Helper()
	ids := map[string][]string{}
	for n := range messages {
		for _, who := range customers {
			var out struct {
				ID string `json:"id"`
			}
			h.eventually("submit an answer", func(ctx context.Context) error {
				return submit(ctx, h, contacts, who, n, &out)
			})
			ids[who] = append(ids[who], out.ID)
		}
	}
	return ids
}

func submit(ctx context.Context, h *hub, contacts map[string]string, who string, n int, out any) error {
	return h.call(ctx, desk, http.MethodPost, "/v1/messages", fmt.Sprintf("key-%s-%d", who, n), map[string]any{
		"account_id": "acme-echo",
		"to":         map[string]string{"contact_id": contacts[who]},
		"content":    map[string]string{"type": "text", "text": fmt.Sprintf("answer %d for %s", n, who)},
	}, out, http.StatusAccepted)
}

// deliver waits until the provider has every message and reports it delivered.
func deliver(t *testing.T, h *hub, p *provider, ids map[string][]string) {
	t.Helper()
	for _, list := range ids {
		for _, id := range list {
			h.eventually("wait for the provider", func(context.Context) error {
				if !slices.ContainsFunc(p.seen(), func(s sent) bool { return s.ID == id }) {
					time.Sleep(50 * time.Millisecond) // a poll, not an assertion
					return fmt.Errorf("message %s did not arrive", id)
				}
				return nil
			})
			h.eventually("report it delivered", func(ctx context.Context) error {
				return h.post(ctx, map[string]string{"id": "receipt-" + id, "receipt": "delivered", "provider_id": "prov-" + id})
			})
		}
	}
}

func check(t *testing.T, h *hub, p *provider, customers []string, ids map[string][]string) {
	t.Helper()
	for _, list := range ids {
		for _, id := range list {
			h.eventually("see it delivered", func(ctx context.Context) error {
				var m struct {
					Status string `json:"status"`
				}
				if err := h.call(ctx, desk, http.MethodGet, "/v1/messages/"+id, "", nil, &m, http.StatusOK); err != nil {
					return err
				}
				if m.Status != "delivered" {
					time.Sleep(50 * time.Millisecond) // a poll, not an assertion
					return fmt.Errorf("message %s is %s", id, m.Status)
				}
				return nil
			})
		}
	}
	// What the feed shows is read by a consumer of its own from the start.
	checkFeed(t, h.events(archive), customers, ids)
	for _, who := range customers {
		var order []string
		for _, s := range p.seen() {
			if s.To == who {
				order = append(order, s.ID)
			}
		}
		if !slices.Equal(order, ids[who]) {
			t.Errorf("I4: %s got %v, submitted were %v", who, order, ids[who])
		}
	}
}

// checkFeed looks for what was acknowledged: each inbound message exactly once
// and in order (I1, I3, I4), each status of each answer at most once and
// forward (I2, I3).
func checkFeed(t *testing.T, all []event, customers []string, ids map[string][]string) {
	t.Helper()
	said := map[string][]string{}
	statuses := map[string][]string{}
	seen := map[string]bool{}
	for _, ev := range all {
		if seen[ev.ID] {
			t.Errorf("I3: event %s is in the feed twice", ev.ID)
		}
		seen[ev.ID] = true
		switch ev.Type {
		case "message.received":
			said[ev.Contact.Address] = append(said[ev.Contact.Address], ev.Message.ProviderID)
		case "message.status":
			statuses[ev.Message.ID] = append(statuses[ev.Message.ID], ev.Message.Status)
		}
	}
	for _, who := range customers {
		var want []string
		for n := range messages {
			want = append(want, fmt.Sprintf("%s-%d", who, n))
		}
		if !slices.Equal(said[who], want) {
			t.Errorf("I1, I3, I4: the feed has %v of %s, acknowledged were %v", said[who], who, want)
		}
		for _, id := range ids[who] {
			got := statuses[id]
			if !slices.Equal(got, []string{"sent", "delivered"}) && !slices.Equal(got, []string{"delivered"}) {
				t.Errorf("I2: message %s went through %v", id, got)
			}
		}
	}
}

// TestCrashTwice kills the hub during an attempt, and the one that follows
// while it takes the lane over.
func TestCrashTwice(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	h := newHub(t, p.URL)
	h.start("outbound.after_claim=kill")
	contacts := receive(t, h, []string{"ada"})
	// The answer may not come any more: the attempt begins at once.
	_ = submit(context.Background(), h, contacts, "ada", 0, nil)
	if !h.dead(5 * time.Second) {
		t.Fatal("the hub was not killed during the attempt")
	}
	h.start("outbound.after_takeover=kill")
	if !h.dead(10 * time.Second) {
		t.Fatal("the hub was not killed while it took the lane over")
	}
	h.start("")
	first := answer(t, h, []string{"ada"}, contacts)
	deliver(t, h, p, first)
	check(t, h, p, []string{"ada"}, first)
}

// TestCrashDeadLetter kills the hub between a dead letter and the message it
// is about: the delivery still ends as failed, once.
func TestCrashDeadLetter(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	h := newHub(t, p.URL)
	h.start("outbound.after_dead_letter=kill")
	contacts := receive(t, h, []string{"ada"})
	p.Close() // refused connections are worth a retry until the message expires
	var out struct {
		ID string `json:"id"`
	}
	h.eventually("submit an answer", func(ctx context.Context) error {
		return h.call(ctx, desk, http.MethodPost, "/v1/messages", "key", map[string]any{
			"account_id":   "acme-echo",
			"to":           map[string]string{"contact_id": contacts["ada"]},
			"content":      map[string]string{"type": "text", "text": "too late"},
			"expire_after": "2s",
		}, &out, http.StatusAccepted)
	})
	if !h.dead(20 * time.Second) {
		t.Fatal("the hub was not killed behind the dead letter")
	}
	h.start("")
	h.eventually("see it failed", func(ctx context.Context) error {
		var m struct {
			Status  string `json:"status"`
			Failure struct {
				Code string `json:"code"`
			} `json:"failure"`
		}
		if err := h.call(ctx, desk, http.MethodGet, "/v1/messages/"+out.ID, "", nil, &m, http.StatusOK); err != nil {
			return err
		}
		if m.Status != "failed" || m.Failure.Code != "retries_exhausted" {
			time.Sleep(50 * time.Millisecond) // a poll, not an assertion
			return fmt.Errorf("message is %s (%s)", m.Status, m.Failure.Code)
		}
		return nil
	})
	var statuses []string
	for _, ev := range h.events(archive) {
		if ev.Message.ID == out.ID {
			statuses = append(statuses, ev.Message.Status)
		}
	}
	if !slices.Equal(statuses, []string{"failed"}) {
		t.Errorf("I2: the message went through %v, want failed once", statuses)
	}
}

// TestCrashConsumer kills the hub while it notes how far a consumer has read:
// the consumer goes on where it was, or earlier, and misses nothing.
func TestCrashConsumer(t *testing.T) {
	for _, site := range []string{"consumer.after_list", "consumer.after_row"} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, newProvider(t).URL)
			h.start("")
			receive(t, h, []string{"ada"})
			h.stop()
			h.start(site + "=kill")
			lives := h.starts
			seen := h.events(archive) // with each page the one before it is acknowledged
			if h.starts == lives && h.quit() == nil {
				t.Fatal("the hub was not killed while it noted what was read")
			}
			h.start("")
			rest := h.events(archive)
			if len(seen) != messages || !slices.EqualFunc(rest, seen[len(seen)-min(len(rest), len(seen)):], sameEvent) {
				t.Errorf("I3: before the crash it read %d of %d events, and then not the last of these, but %d", len(seen), messages, len(rest))
			}
			in := map[string]string{"id": "ada-last", "from": "ada", "name": "ada", "text": "one more"}
			h.eventually("receive a message", func(ctx context.Context) error { return h.post(ctx, in) })
			if next := h.events(archive); len(next) == 0 || next[len(next)-1].Message.ProviderID != "ada-last" {
				t.Errorf("I3: what came after the crash is not read: %+v", next)
			}
		})
	}
}

func sameEvent(a, b event) bool { return a.ID == b.ID }

// TestCrashAccount kills the hub between the row that says what a client is
// told of its account and the record that tells it: it is told, once.
func TestCrashAccount(t *testing.T) {
	t.Parallel()
	h := newHub(t, newProvider(t).URL)
	config := filepath.Join(h.dir, "hub.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "      acme-none: {plugin: none}\n"...)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start("accounts.after_told=kill")
	if !h.dead(20 * time.Second) {
		t.Fatal("the hub was not killed before it told")
	}
	h.start("")
	told := map[string]bool{}
	look := func(token string) {
		for _, ev := range h.feed(token) {
			if ev.Type == "account.status" && ev.AccountID == "acme-none" {
				told[ev.ID] = true
			}
		}
	}
	h.eventually("be told of the account", func(context.Context) error {
		if look(desk); len(told) == 0 {
			time.Sleep(50 * time.Millisecond) // a poll, not an assertion
			return errors.New("not yet")
		}
		return nil
	})
	h.stop()
	h.start("")
	look(archive)
	if len(told) != 1 {
		t.Errorf("I3: one change was told as %d events", len(told))
	}
}
