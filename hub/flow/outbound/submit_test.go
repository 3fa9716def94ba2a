package outbound_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	ctx := t.Context()
	first, err := out.Submit(ctx, acme, request("ada", "hello"), keyed("k", "body"))
	if err != nil || first.Replayed {
		t.Fatalf("first call: replayed %v, %v", first.Replayed, err)
	}
	w.await(first.Message, model.Sent)
	again, err := out.Submit(ctx, acme, request("ada", "hello"), keyed("k", "body"))
	if err != nil || !again.Replayed || again.Message.ID() != first.Message.ID() {
		t.Errorf("repeat: id %s, replayed %v, %v; want id %s", again.Message.ID(), again.Replayed, err, first.Message.ID())
	}
	if _, err := out.Submit(ctx, acme, request("ada", "other"), keyed("k", "other")); !model.Is(err, model.Invalid) {
		t.Errorf("another body: %v, want invalid", err)
	}
	elsewhere := keyed("k", "body")
	elsewhere.Route = "POST /v1/elsewhere"
	if got, err := out.Submit(ctx, acme, request("ada", "hello"), elsewhere); err != nil || got.Replayed {
		t.Errorf("the same key on another route: replayed %v, %v", got.Replayed, err)
	}
	fresh, err := out.Submit(ctx, acme, request("ada", "hello"), keyed("", "body"))
	if err != nil || fresh.Message.ID() == first.Message.ID() {
		t.Errorf("without a key: id %s, %v", fresh.Message.ID(), err)
	}
	w.idle()
	if n := w.provider.count("hello"); n != 3 {
		t.Errorf("sent %d times, want 3", n)
	}
}

// TestRepeatIsNotJudgedAgain: what was accepted is answered the same, although
// it would be refused today.
func TestRepeatIsNotJudgedAgain(t *testing.T) {
	w := newWorld(t)
	w.accounts.Move(account, accounts.Paused, "", time.Now())
	out := w.pool(nil)
	first, err := out.Submit(t.Context(), acme, request("ada", "hello"), keyed("k", "body"))
	if err != nil {
		t.Fatal(err)
	}
	w.optOut(first.Message)
	again, err := out.Submit(t.Context(), acme, request("ada", "hello"), keyed("k", "body"))
	if err != nil || !again.Replayed || again.Message.ID() != first.Message.ID() {
		t.Errorf("repeat while queued, behind an opt-out: replayed %v, %v", again.Replayed, err)
	}
}

// TestConcurrentCalls races calls with one key: one message, and whoever came
// while another was running is told so.
func TestConcurrentCalls(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	var mu sync.Mutex
	ids := map[model.MessageID]bool{}
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			got, err := out.Submit(t.Context(), acme, request("ada", "hello"), keyed("k", "body"))
			if err != nil && !model.Is(err, model.Conflicting) {
				t.Errorf("submit: %v", err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				ids[got.Message.ID()] = true
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("%d messages, want 1", len(ids))
	}
	w.idle()
	if n := w.provider.count("hello"); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestTwoHubsOneKey races one key through two processes.
func TestTwoHubsOneKey(t *testing.T) {
	w := newWorld(t)
	pools := []*outbound.Outbound{w.pool(nil), w.pool(nil)}
	// The customer is known: first contact is not what is raced here.
	w.await(w.submit(pools[0], "ada", "before"), model.Sent)
	w.idle()
	got := make([]outbound.Accepted, len(pools))
	var wg sync.WaitGroup
	for i, out := range pools {
		wg.Go(func() {
			var err error
			if got[i], err = out.Submit(t.Context(), acme, request("ada", "hello"), keyed("k", "body")); err != nil {
				t.Errorf("submit: %v", err)
			}
		})
	}
	wg.Wait()
	if got[0].Message.ID() != got[1].Message.ID() {
		t.Errorf("two messages of one key: %s and %s", got[0].Message.ID(), got[1].Message.ID())
	}
	if got[0].Replayed == got[1].Replayed {
		t.Errorf("replayed %v and %v, want exactly one", got[0].Replayed, got[1].Replayed)
	}
	w.await(got[0].Message, model.Sent)
	w.told(got[0].Message, model.Sent)
	if w.provider.together != 1 {
		t.Errorf("%d attempts at once", w.provider.together)
	}
}

// TestRepeatRepairs stops a submission behind each of its writes, and lets the
// caller's repeat complete it.
func TestRepeatRepairs(t *testing.T) {
	for _, socket := range []bool{false, true} {
		name := map[bool]string{false: "provider", true: "socket"}[socket]
		t.Run(name, func(t *testing.T) {
			steps := 0
			for n := 0; ; n++ {
				w := newWorld(t)
				w.provider.set(func(p *provider) {
					p.descriptor.Can.RenderSocket = socket
				})
				first := w.pool(nil)
				r := request("ada", "hello")
				if socket { // a browser is known before it is written to
					dir, err := w.client.Resolve(t.Context(), account, []model.Address{r.Address}, "")
					if err != nil {
						t.Fatal(err)
					}
					r.Address, r.Contact = model.Address{}, dir.Contact
				}
				w.disk.heal()
				w.disk.fail(n, nil)
				_, err := first.Submit(t.Context(), acme, r, keyed("k", "body"))
				w.disk.heal()
				if err == nil {
					break // every write of the list was let through
				}
				steps++
				if !errors.Is(err, errBroken) {
					t.Fatalf("write %d: %v", n, err)
				}
				w.close(first) // the process is gone, and what it knew with it
				out := w.pool(nil)
				got, err := out.Submit(t.Context(), acme, r, keyed("k", "body"))
				if err != nil {
					t.Fatalf("the repeat behind write %d: %v", n, err)
				}
				w.await(got.Message, model.Sent)
				w.told(got.Message, model.Sent)
				w.inLane(got.Message)
				if attempts := w.provider.count("hello"); !socket && attempts != 1 {
					t.Errorf("behind write %d: %d attempts", n, attempts)
				}
			}
			if least := map[bool]int{false: 8, true: 4}[socket]; steps < least {
				t.Errorf("only %d writes were broken; the list has %d", steps, least)
			}
		})
	}
}

// inLane checks that the message is in its lane, once.
func (w *world) inLane(m store.Outbound) {
	w.t.Helper()
	rows, err := w.clientOf(w.rows.Store()).Lane(m.Conversation).Read(context.Background(), 0, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Key == m.UUID {
				n++
			}
		}
	}
	if n != 1 {
		w.t.Errorf("the lane has the message %d times", n)
	}
}

// TestRepeatCompletesInTheSameProcess breaks the lane entry, and repeats.
func TestRepeatCompletesInTheSameProcess(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	w.disk.fail(0, func(op driver.Op) bool {
		return strings.HasPrefix(op.PK, "c/acme/l/") && strings.HasPrefix(op.SK, "\x01")
	})
	if _, err := out.Submit(t.Context(), acme, request("ada", "hello"), keyed("k", "body")); !errors.Is(err, errBroken) {
		t.Fatalf("submit: %v", err)
	}
	w.disk.heal()
	got, err := out.Submit(t.Context(), acme, request("ada", "hello"), keyed("k", "body"))
	if err != nil || !got.Replayed {
		t.Fatalf("repeat: replayed %v, %v", got.Replayed, err)
	}
	w.await(got.Message, model.Sent)
	w.inLane(got.Message)
}

// TestVerdict names every fault at once.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*outbound.Request)
		fields []string
	}{
		{"sound", func(*outbound.Request) {}, nil},
		{"both targets", func(r *outbound.Request) { r.Contact = model.NewContactID() }, []string{"to"}},
		{"no target", func(r *outbound.Request) { r.Address.Value = "" }, []string{"to"}},
		{"unknown contact", func(r *outbound.Request) { r.Address, r.Contact = model.Address{}, model.NewContactID() }, []string{"to.contact_id"}},
		{"malformed contact", func(r *outbound.Request) { r.Address, r.Contact = model.Address{}, "cnt_x" }, []string{"to.contact_id"}},
		{"address kind", func(r *outbound.Request) { r.Address.Kind = model.PSID }, []string{"to.address_kind"}},
		{"default address kind", func(r *outbound.Request) { r.Address.Kind = "" }, nil},
		{"long address", func(r *outbound.Request) { r.Address.Value = strings.Repeat("1", 257) }, []string{"to.address"}},
		{"no text", func(r *outbound.Request) { r.Content.Text = "" }, []string{"content.text"}},
		{"at the channel's limit", func(r *outbound.Request) { r.Content.Text = strings.Repeat("ß", 100) }, nil},
		{"over the channel's limit", func(r *outbound.Request) { r.Content.Text = strings.Repeat("ß", 101) }, []string{"content.text"}},
		{"not UTF-8", func(r *outbound.Request) { r.Content.Text = "\xff" }, []string{"content.text"}},
		{"no type", func(r *outbound.Request) { r.Content.Type = "" }, []string{"content.type"}},
		{"type not taken", func(r *outbound.Request) { r.Content.Type = model.ContentMenu }, []string{"content.type", "content.sections"}},
		{"unknown type", func(r *outbound.Request) { r.Content.Type = "poem" }, []string{"content.type"}},
		{"no account", func(r *outbound.Request) { r.Account = "" }, []string{"account_id"}},
		{"a missing account, and more", func(r *outbound.Request) {
			r.Account, r.Content.Text, r.Address.Value = "nowhere", "", ""
		}, []string{"account_id", "content.text", "to"}},
		{"type that customers send", func(r *outbound.Request) { r.Content.Type = model.ContentPostback }, []string{"content.type"}},
		{"expires too soon", func(r *outbound.Request) { r.HasExpire, r.Expire = true, time.Millisecond }, []string{"expire_after"}},
		{"expires too late", func(r *outbound.Request) { r.HasExpire, r.Expire = true, 30*24*time.Hour }, []string{"expire_after"}},
		{"attachments", func(r *outbound.Request) { r.Attach = []model.AttachmentID{model.NewAttachmentID()} }, []string{"content.type"}},
		{"large context", func(r *outbound.Request) { r.Context = model.Context(`"` + strings.Repeat("x", 16<<10) + `"`) }, []string{"context"}},
		{"all of it", func(r *outbound.Request) {
			r.Address, r.Content.Text = model.Address{Kind: model.PSID, Value: strings.Repeat("1", 257)}, ""
			r.HasExpire, r.Expire = true, -1
		}, []string{"expire_after", "content.text", "to.address", "to.address_kind"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			out := w.pool(nil)
			w.disk.heal()
			r := request("ada", "hello")
			c.change(&r)
			dry := out.Judge(t.Context(), acme, r)
			if n := w.disk.heal(); n != 0 {
				t.Errorf("a verdict wrote %d rows", n)
			}
			_, err := out.Submit(t.Context(), acme, r, keyed("", ""))
			if (dry == nil) != (err == nil) || dry != nil && dry.Error() != err.Error() {
				t.Errorf("the dry run says %v, the call %v", dry, err)
			}
			var fields []string
			if e, ok := errors.AsType[*model.Error](err); ok {
				if e.Code != model.Invalid {
					t.Errorf("code %s, want invalid", e.Code)
				}
				for _, f := range e.Faults {
					fields = append(fields, f.Field)
				}
			}
			if strings.Join(fields, " ") != strings.Join(c.fields, " ") {
				t.Errorf("faults in %q, want %q", fields, c.fields)
			}
		})
	}
}

// TestForeignAccount: another client's account is answered like none (I8).
func TestForeignAccount(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	_, foreign := out.Submit(t.Context(), "other", request("ada", "hello"), keyed("", ""))
	r := request("ada", "hello")
	r.Account = "nowhere"
	_, missing := out.Submit(t.Context(), acme, r, keyed("", ""))
	if !model.Is(missing, model.NotFound) || foreign == nil || foreign.Error() != missing.Error() {
		t.Errorf("a foreign account is answered %v, a missing one %v", foreign, missing)
	}
}

// TestSocketChannel: committing the message to the conversation is the send.
func TestSocketChannel(t *testing.T) {
	w := newWorld(t)
	w.provider.set(func(p *provider) { p.descriptor.Can = pluginhost.Capabilities{RenderSocket: true, ReceiveSocket: true} })
	out := w.pool(nil)
	if _, err := out.Submit(t.Context(), acme, request("nobody", "hello"), keyed("", "")); !model.Is(err, model.Invalid) {
		t.Errorf("a conversation that a browser did not begin: %v, want invalid", err)
	}
	dir, err := w.client.Resolve(t.Context(), account, []model.Address{{Kind: model.Phone, Value: "ada"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	r := request("", "hello")
	r.Contact = dir.Contact
	m := w.submitRequest(out, r)
	if m.Status != model.Sent {
		t.Errorf("it is %s, want sent", m.Status)
	}
	w.told(m, model.Sent)
	w.inLane(m)
	if n := len(w.provider.texts()) + len(w.active()); n != 0 {
		t.Errorf("%d attempts or active lanes where committing is the send", n)
	}
	w.reportAs(out, pluginhost.StatusReport{Status: model.Read, MessageID: m.ID()})
	w.told(m, model.Sent, model.Read)
}
