package pluginhost

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

func deliver(ctx context.Context, h *testHost, text string) (Outcome, error) {
	return h.Send(ctx, "one", Delivery{
		AccountID: account("one"), To: []model.Address{{Kind: model.Phone, Value: "1"}}, Attempt: 1,
		Message: &model.Message{ID: "m", Content: &model.Content{Type: model.ContentText, Text: text}},
	})
}

// I5: an attempt that may have reached the provider is never reported as
// certainly not sent.
func TestSendAlwaysNamesAnOutcome(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	outcome, err := deliver(testContext(t), h, "hello")
	must(t, err)
	if outcome.Kind != Sent || outcome.ProviderIDs[0] != "p-m" {
		t.Errorf("outcome is %+v", outcome)
	}
	for text, code := range map[string]string{"fail": "connector_fault", "none": "no_outcome", "exit": "connector_fault"} {
		outcome, err := deliver(testContext(t), h, text)
		if err != nil || outcome.Kind != Unknown || outcome.Code != code || strings.Contains(outcome.Detail, "49151") {
			t.Errorf("%s: outcome is %+v, %v", text, outcome, err)
		}
		if text == "exit" {
			h.awaitState(t, "one", StateRunning, 2)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if outcome, err := deliver(ctx, h, "hang"); err != nil || outcome.Kind != Unknown {
		t.Errorf("after a time-out: outcome is %+v, %v", outcome, err)
	}
}

func TestSendThatDidNotLeaveIsAnError(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Timings.BackoffMin = within })
	h.set(t, "one", "good")

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := deliver(cancelled, h, "hello")
	wantCode(t, err, model.Unavailable)

	_, err = deliver(testContext(t), h, strings.Repeat("x", 5<<20))
	wantCode(t, err, model.TooLarge)

	past := Delivery{AccountID: account("one"), Message: &model.Message{}, SendUntil: time.Now()}
	_, err = h.Send(testContext(t), "one", past)
	wantCode(t, err, model.Unavailable)

	_, err = h.Send(testContext(t), "one", Delivery{AccountID: "unknown", Message: &model.Message{}})
	wantCode(t, err, model.Unavailable)

	_, _ = h.ask(testContext(t), "one", "exit", "")
	h.awaitState(t, "one", StateBackoff, 1)
	_, err = deliver(testContext(t), h, "hello")
	wantCode(t, err, model.Unavailable)
}

func TestRenderSocket(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	render := func(texts ...string) ([][]byte, error) {
		items := make([]RenderItem, len(texts))
		for i, text := range texts {
			items[i].Message = &model.Message{Content: &model.Content{Type: model.ContentText, Text: text}}
		}
		return h.RenderSocket(testContext(t), "one", account("one"), items)
	}
	texts := make([]string, 250)
	for i := range texts {
		texts[i] = strings.Repeat("x", i+1)
	}
	frames, err := render(texts...)
	must(t, err)
	for i := range texts {
		if string(frames[i]) != texts[i] {
			t.Fatalf("frame %d is %q", i, frames[i])
		}
	}
	frames, err = render("a", "binary", "c")
	must(t, err)
	if len(frames) != 3 || frames[1] != nil || string(frames[2]) != "c" {
		t.Errorf("frames are %q", frames)
	}
	_, err = render("a", "extra")
	wantCode(t, err, model.Unavailable)
}

func TestCheckHealthAndMetrics(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	health, err := h.CheckHealth(testContext(t), "one", account("one"))
	must(t, err)
	if health.State != HealthBlocked || len(health.Detail) != maxDetail || strings.Contains(health.Detail, "\n") {
		t.Errorf("health is %+v", health)
	}
	// A call that the connector has no answer to is a fault of the call alone.
	_, err = h.CollectMetrics(testContext(t), "one")
	wantCode(t, err, model.Precondition)
	h.works(t, "one")
}

func TestFetchAttachment(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Timings.FetchStall = 100 * time.Millisecond })
	h.set(t, "one", "good")
	fetch := func(ref string, limit int64) (model.Attachment, []byte, error) {
		described, r, err := h.FetchAttachment(testContext(t), "one", FetchRequest{AccountID: account("one"), FetchRef: []byte(ref), MaxSize: limit})
		if err != nil {
			return described, nil, err
		}
		defer func() { must(t, r.Close()); must(t, r.Close()) }()
		b, err := io.ReadAll(r)
		return described, b, err
	}
	described, b, err := fetch("all", 1<<20)
	must(t, err)
	if !bytes.Equal(b, bytes.Repeat([]byte("x"), 256<<10)) || described.Kind != model.Image || described.Name != `a\x1b[2J.jpg` {
		t.Errorf("got %d bytes of %+v", len(b), described)
	}
	for ref, want := range map[string]struct {
		limit int64
		code  model.Code
	}{
		"all": {100 << 10, model.TooLarge}, "gone": {1 << 20, model.NotFound},
		"stall": {1 << 20, model.Unavailable}, "undescribed": {1 << 20, model.Unavailable},
	} {
		_, _, err := fetch(ref, want.limit)
		if !model.Is(err, want.code) {
			t.Errorf("%s: got %v, want %s", ref, err, want.code)
		}
	}
	// Streams that ended one way or the other hold nothing up.
	must(t, h.Remove(testContext(t), "one"))
}

func TestReceiveSocketKeepsOrderAndAccount(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	frames := make([]SocketFrame, 40)
	for i := range frames {
		frames[i] = SocketFrame{AccountID: account("one"), SocketID: "s", Frame: []byte{'a' + byte(i%26)}}
	}
	results, err := h.ReceiveSocket(testContext(t), "one", frames)
	must(t, err)
	for i, r := range results {
		if len(r.Items) != 1 || r.Items[0].Event.Message.Content.Text != string(frames[i].Frame) {
			t.Fatalf("frame %d gave %+v", i, r)
		}
	}
	refused, err := h.ReceiveSocket(testContext(t), "one", []SocketFrame{{AccountID: account("one"), Frame: []byte("refuse")}})
	must(t, err)
	if r := refused[0].Refusal; r == nil || r.Code != "not_understood" || strings.Contains(r.Detail, "\x1b") || len(refused[0].Items) != 0 {
		t.Errorf("refusal is %+v", refused[0])
	}
}
