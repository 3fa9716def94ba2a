package sdktest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// runMessage sends a message, and what is derived from it.
func (s *story) runMessage(t *testing.T, b *bench, w *wanted) {
	settings := b.open(t, accountID, s.account(b.suite), b.provider.url)
	s.giveFiles(t, b)
	b.provider.script(s.responses(t)...)
	outcome := b.send(t, s.delivery(t))
	requests := b.provider.requests()
	for i, request := range requests {
		w.check(t, fmt.Sprintf("provider/%d.request.http", i+1), []byte(request.text()))
	}
	if extra := s.section(fmt.Sprintf("provider/%d.request.http", len(requests)+1)); extra != nil && !w.rewrite {
		t.Errorf("the provider was asked %d times only", len(requests))
	}
	w.check(t, "want.outcome.json", indented(t, jsonOf(t, outcome)))
	if !outcome.HasSent() || len(requests) == 0 {
		return
	}
	if b.described.GetIdempotentSend() {
		b.checkRepeat(t, s, requests)
	}
	b.checkAnswers(t, s)
	b.checkTooLate(t, s)
	b.checkGivenUp(t, s)
	b.close(t, settings)
	b.checkRefused(t, s)
}

// responses reads what the provider answers.
func (s *story) responses(t *testing.T) []step {
	t.Helper()
	var steps []step
	for i := 1; ; i++ {
		data := s.section(fmt.Sprintf("provider/%d.response.http", i))
		if data == nil {
			return steps
		}
		answer, err := scripted(data)
		if err != nil {
			t.Fatalf("provider/%d.response.http: %v", i, err)
		}
		steps = append(steps, answer)
	}
}

// delivery reads what is to be sent.
func (s *story) delivery(t *testing.T) *connectorv1.SendRequest {
	t.Helper()
	request := into(t, "message.json", s.section("message.json"), &connectorv1.SendRequest{})
	request.SetAccount(ref(accountID))
	if request.GetAttempt() == 0 {
		request.SetAttempt(1)
	}
	if !request.HasSendUntil() {
		request.SetSendUntil(timestamppb.New(time.Now().Add(patience)))
	}
	return request
}

func (b *bench) send(t *testing.T, request *connectorv1.SendRequest) *connectorv1.Outcome {
	t.Helper()
	resp, err := b.Send(limited(t), request)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return resp.GetOutcome()
}

// checkRepeat proves the promise of idempotent_send as far as it can be seen
// from outside: the provider is asked the very same.
func (b *bench) checkRepeat(t *testing.T, s *story, first []*asked) {
	t.Helper()
	b.provider.script(s.responses(t)...)
	second := s.delivery(t)
	second.SetAttempt(2)
	b.send(t, second)
	again := b.provider.requests()
	if len(again) != len(first) {
		t.Errorf("the second attempt asked %d times, the first %d times", len(again), len(first))
		return
	}
	for i := range first {
		if first[i].text() != again[i].text() {
			t.Errorf("the second attempt asked otherwise than the first:\n%s\n%s", first[i].text(), again[i].text())
		}
	}
}

// checkAnswers answers the last request of the story in every bad way.
func (b *bench) checkAnswers(t *testing.T, s *story) {
	t.Helper()
	throttled := func(o *connectorv1.Outcome) bool {
		return o.GetThrottled().GetRetryAfterMs() == 7000
	}
	ofAccount := func(o *connectorv1.Outcome) bool {
		return o.GetRejected().GetScope() == connectorv1.Scope_SCOPE_ACCOUNT && o.GetRejected().GetCode() != ""
	}
	rejected := func(o *connectorv1.Outcome) bool { return o.GetRejected().GetCode() != "" }
	unknown := (*connectorv1.Outcome).HasUnknown
	for _, c := range []struct {
		what   string
		answer step
		right  func(*connectorv1.Outcome) bool
		want   string
	}{
		{"429 with Retry-After: 7", answering(http.StatusTooManyRequests, "Retry-After", "7"), throttled, "throttled for 7 s"},
		{"503 with Retry-After: 7", answering(http.StatusServiceUnavailable, "Retry-After", "7"), throttled, "throttled for 7 s"},
		{"500", answering(http.StatusInternalServerError), unknown, "unknown"},
		{"401", answering(http.StatusUnauthorized), ofAccount, "rejected for the account"},
		{"404", answering(http.StatusNotFound), rejected, "rejected"},
		{"a redirect", answering(http.StatusFound, "Location", b.provider.url+"/elsewhere"), rejected, "rejected"},
		{"a reset after the request", resetting, unknown, "unknown"},
		{"an answer that breaks off", breakingOff, unknown, "unknown"},
	} {
		steps := s.responses(t)
		b.provider.script(append(steps[:len(steps)-1], c.answer)...)
		if outcome := b.send(t, s.delivery(t)); !c.right(outcome) {
			t.Errorf("%s gives %s instead of %s", c.what, jsonOf(t, outcome), c.want)
		}
		if asked := len(b.provider.requests()); asked != len(steps) {
			t.Errorf("%s: the provider was asked %d times in one attempt instead of %d", c.what, asked, len(steps))
		}
	}
}

// checkTooLate sends when the time to send is over.
func (b *bench) checkTooLate(t *testing.T, s *story) {
	t.Helper()
	b.provider.script(s.responses(t)...)
	late := s.delivery(t)
	late.SetSendUntil(timestamppb.New(time.Now().Add(-time.Second)))
	if outcome := b.send(t, late); !outcome.HasRetry() {
		t.Errorf("a send when its time was over gives %s instead of a retry", jsonOf(t, outcome))
	}
	if asked := len(b.provider.requests()); asked > 0 {
		t.Errorf("the provider was asked %d times when the time to send was over", asked)
	}
}

// checkGivenUp gives a call up while the provider holds it: Send must return,
// which is seen by Close being reached.
func (b *bench) checkGivenUp(t *testing.T, s *story) {
	t.Helper()
	steps := s.responses(t)
	held, came, release := holding(answering(http.StatusOK))
	defer release()
	b.provider.script(append(steps[:len(steps)-1], held)...)
	ctx, giveUp := context.WithCancel(limited(t))
	done := make(chan error, 1)
	go func() {
		_, err := b.Send(ctx, s.delivery(t))
		done <- err
	}()
	await(t, came, "the provider is not asked")
	giveUp()
	if err := <-done; err == nil {
		t.Error("a send that was given up succeeded")
	}
	b.quiet(t)
}

// quiet waits until no call is under way any more.
func (b *bench) quiet(t *testing.T) {
	t.Helper()
	ctx := limited(t)
	for {
		resp, err := b.CollectMetrics(ctx, &connectorv1.CollectMetricsRequest{})
		if err != nil {
			t.Fatalf("calls are still under way: %v", err)
		}
		if bytes.Contains(resp.GetPrometheusText(), []byte("plugin_calls_in_flight 0\n")) {
			return
		}
	}
}

func await(t *testing.T, done <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal(otherwise)
	}
}

// checkRefused sends to a provider whose machine refuses the connection.
func (b *bench) checkRefused(t *testing.T, s *story) {
	t.Helper()
	settings := b.open(t, accountID, s.account(b.suite), refusingURL(t))
	defer b.close(t, settings)
	if outcome := b.send(t, s.delivery(t)); !outcome.HasRetry() {
		t.Errorf("a refused connection gives %s instead of a retry", jsonOf(t, outcome))
	}
}

// sendable returns a story whose message is sent, or nil.
func sendable(t *testing.T, stories []*story) *story {
	t.Helper()
	for _, s := range stories {
		if s.section("message.json") == nil || s.section("want.outcome.json") == nil || len(s.responses(t)) == 0 {
			continue
		}
		if into(t, "want.outcome.json", s.section("want.outcome.json"), &connectorv1.Outcome{}).HasSent() {
			return s
		}
	}
	return nil
}

func equal(a, b protobuf.Message) bool { return protobuf.Equal(a, b) }
