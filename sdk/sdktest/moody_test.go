package sdktest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
	"github.com/channelhub/channelhub/sdk/sdktest/internal/moody"
)

const moodyAccount = `{"config": {"address": "+100"}, "secrets": {"token": "t0p-secret"}}`

// everywhere runs a test against the moody connector in memory and as a
// process, with one open account.
func everywhere(t *testing.T, test func(*testing.T, *bench)) {
	suite := &Suite{Account: moodyAccount}
	start := func(t *testing.T, target *target) {
		b := newBench(t, suite, target)
		b.attach(t)
		b.open(t, accountID, moodyAccount, b.provider.url)
		test(t, b)
		b.alive(t)
		if logs := b.logs.String(); strings.Contains(logs, moody.Confession) || strings.Contains(logs, "t0p-secret") {
			t.Errorf("the log gives away what it must not:\n%.2000s", logs)
		}
	}
	t.Run("memory", func(t *testing.T) { start(t, inMemory(t, moody.Connector)) })
	t.Run("binary", func(t *testing.T) {
		b := asProcess(t, moodyBinary(t))
		start(t, b)
		if out := b.process.after.String(); out != "" {
			t.Errorf("the process wrote %d bytes to standard output", len(out))
		}
	})
}

// moodyBinary builds the connector once for all tests of the package.
func moodyBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(shared, "moodyplugin")
	if _, err := os.Stat(binary); err != nil {
		build(t, "./internal/moody/moodyplugin", binary)
	}
	return binary
}

// say has the connector receive requests with the given bodies, in one call.
func say(t *testing.T, b *bench, account *connectorv1.AccountRef, bodies ...string) []*connectorv1.HTTPResult {
	t.Helper()
	var requests []*connectorv1.HTTPRequest
	path := ""
	if account == nil {
		path = "app"
	}
	for _, body := range bodies {
		requests = append(requests, connectorv1.HTTPRequest_builder{Account: account, SubPath: &path, Body: []byte(body)}.Build())
	}
	resp, err := b.ReceiveHTTP(limited(t), connectorv1.ReceiveHTTPRequest_builder{Requests: requests}.Build())
	if err != nil {
		t.Fatalf("receive %q: %v", bodies, err)
	}
	if len(resp.GetResults()) != len(bodies) {
		t.Fatalf("%d requests have %d results", len(bodies), len(resp.GetResults()))
	}
	return resp.GetResults()
}

func TestFaultIsOneRequestsOwn(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		for _, c := range []struct {
			body, fault string
			status      int32
		}{
			{"panic", "connector panicked in Receive", http.StatusInternalServerError},
			{"index", "connector panicked in Receive", http.StatusInternalServerError},
			{"fail", "failed with [secret]", http.StatusInternalServerError},
			{"unverified", "handed over an item for an account that was not verified", http.StatusInternalServerError},
			{"nobody", "an event has no contact address", http.StatusInternalServerError},
			{"heavy", "the answer is over the size limit of the contract", http.StatusServiceUnavailable},
		} {
			results := say(t, b, ref(accountID), "one", c.body, "two")
			bad := results[1]
			if bad.GetFault() != c.fault || bad.GetReply().GetStatus() != c.status || len(bad.GetItems()) > 0 {
				t.Errorf("%s gives fault %q and reply %d", c.body, bad.GetFault(), bad.GetReply().GetStatus())
			}
			for i, want := range map[int]string{0: "one", 2: "two"} {
				if good := results[i]; good.HasFault() || good.GetItems()[0].GetEvent().GetDedupeKey() != want {
					t.Errorf("%s spoiled its neighbour: %v", c.body, good)
				}
			}
		}
		b.logs.await(t, "the log does not say where it panicked", func(logs string) bool {
			return strings.Contains(logs, "moody.receive") && strings.Contains(logs, "index out of range")
		})
	})
}

func TestRefusedRequestTellsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		result := say(t, b, ref(accountID), "refuse")[0]
		if result.HasFault() || result.GetReply().GetStatus() != http.StatusBadRequest || len(result.GetItems()) > 0 || len(result.GetVerifiedAccountIds()) > 0 {
			t.Errorf("a refused request gives %v", result)
		}
	})
}

// The plugin library swaps both streams for pipes that nobody empties.
func TestPrintingConnectorStillAnswers(t *testing.T) {
	b := newBench(t, &Suite{Account: moodyAccount}, asProcess(t, moodyBinary(t)))
	b.attach(t)
	b.open(t, accountID, moodyAccount, b.provider.url)
	if result := say(t, b, ref(accountID), "print")[0]; result.HasFault() {
		t.Errorf("printing is a fault: %s", result.GetFault())
	}
	if err := b.process.terminate(); err != nil {
		t.Fatal(err)
	}
	b.process.awaitExit(t)
	if printed := strings.Count(b.logs.String(), "x"); printed < 2*moody.Printed {
		t.Errorf("%d bytes of %d reached standard error", printed, 2*moody.Printed)
	}
	if out := b.process.after.String(); out != "" {
		t.Errorf("%d bytes reached standard output", len(out))
	}
}

func TestLogHoldsNoSecret(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		say(t, b, ref(accountID), "blab")
		b.logs.await(t, "the line is not in the log as expected", func(logs string) bool {
			return strings.Count(logs, "[secret]") >= 3 &&
				strings.Contains(logs, `"account_id":"test"`) && strings.Contains(logs, `"call":"Receive"`)
		})
	})
}

func TestSendFaultsAndPlainErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		delivery := func(text string) *connectorv1.SendRequest {
			kind, value := "moody", "+15550009"
			return connectorv1.SendRequest_builder{
				Account: ref(accountID),
				To:      []*connectorv1.Address{connectorv1.Address_builder{Kind: &kind, Value: &value}.Build()},
				Message: connectorv1.Message_builder{Content: connectorv1.Content_builder{Text: connectorv1.Text_builder{Text: &text}.Build()}.Build()}.Build(),
			}.Build()
		}
		if _, err := b.Send(limited(t), delivery("panic")); code(err) != codes.Internal || strings.Contains(err.Error(), "hello") {
			t.Errorf("a panic in Send gives %v", err)
		}
		outcome := b.send(t, delivery("fail"))
		if got := outcome.GetRetry().GetDetail(); got != "failed for [contact] with [secret]" {
			t.Errorf("a plain error before any request gives %v", outcome)
		}
		if outcome := b.send(t, delivery("fine")); !outcome.HasSent() {
			t.Errorf("a send without ids gives %v", outcome)
		}
		if _, err := b.Send(limited(t), connectorv1.SendRequest_builder{Account: ref(accountID)}.Build()); code(err) != codes.InvalidArgument {
			t.Errorf("a delivery of nothing to nobody gives %v", err)
		}
	})
}

func TestAppRouteFindsAccounts(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		b.open(t, "second", strings.ReplaceAll(moodyAccount, "+100", "+200"), b.provider.url)
		result := say(t, b, nil, "+100,+300,+200")[0]
		var told []string
		for _, item := range result.GetItems() {
			told = append(told, item.GetStatus().GetAccountId()+item.GetStatus().GetProviderId())
		}
		if got := strings.Join(told, " "); got != "test+100 second+200" {
			t.Errorf("the request told %q", got)
		}
		if got := strings.Join(result.GetVerifiedAccountIds(), " "); got != "test second" {
			t.Errorf("verified are %q", got)
		}
		third := b.settings(t, "third", moodyAccount, b.provider.url)
		_, err := b.OpenAccount(limited(t), connectorv1.OpenAccountRequest_builder{Settings: third}.Build())
		if code(err) != codes.AlreadyExists {
			t.Errorf("a second claimant of an address is answered %v", err)
		}
		if got := say(t, b, nil, "+100")[0].GetItems()[0].GetStatus().GetAccountId(); got != "test" {
			t.Errorf("the address is now %q's", got)
		}
	})
}

func TestFailedOpenKeepsTheOldRevision(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		broken := b.settings(t, accountID, `{"config": {"mood": "broken"}, "secrets": {"token": "t0p-secret"}}`, b.provider.url)
		_, err := b.OpenAccount(limited(t), connectorv1.OpenAccountRequest_builder{Settings: broken}.Build())
		if code(err) != codes.Unavailable || strings.Contains(err.Error(), "t0p-secret") {
			t.Errorf("a failing Open gives %v", err)
		}
		if result := say(t, b, ref(accountID), "hello")[0]; result.HasFault() {
			t.Errorf("the account is gone: %s", result.GetFault())
		}
	})
}

func TestFramesKeepTheirOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		kind, value := "visitor", "v-1"
		frame := func(socket, data string) *connectorv1.SocketFrame {
			return connectorv1.SocketFrame_builder{
				Socket: connectorv1.SocketRef_builder{
					Account: ref(accountID), SocketId: &socket, Visitor: connectorv1.Address_builder{Kind: &kind, Value: &value}.Build(),
				}.Build(),
				Frame: []byte(data),
			}.Build()
		}
		resp, err := b.ReceiveSocket(limited(t), connectorv1.ReceiveSocketRequest_builder{Frames: []*connectorv1.SocketFrame{
			frame("a", "1"), frame("b", "1"), frame("a", "panic"), frame("a", "2"), frame("b", "what"), frame("b", "2"),
		}}.Build())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, result := range resp.GetResults() {
			switch {
			case result.HasFault():
				got = append(got, "fault")
			case result.HasRefusal():
				got = append(got, result.GetRefusal().GetCode())
			default:
				got = append(got, result.GetItems()[0].GetEvent().GetDedupeKey())
			}
		}
		if s := strings.Join(got, " "); s != "a1 b1 fault fault not_understood b2" {
			t.Errorf("the frames give %s", s)
		}
	})
}

func TestFetchStreamsAndStops(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		fetch := func(name string, limit int64) ([]byte, error) {
			stream, err := b.FetchAttachment(limited(t), connectorv1.FetchAttachmentRequest_builder{
				Account: ref(accountID), Attachment: connectorv1.Attachment_builder{FetchRef: []byte(name)}.Build(), MaxSize: &limit,
			}.Build())
			if err != nil {
				t.Fatal(err)
			}
			var body []byte
			for {
				part, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					return body, nil
				}
				if err != nil {
					return body, err
				}
				if len(part.GetChunk()) > 256<<10 {
					t.Errorf("a chunk has %d bytes", len(part.GetChunk()))
				}
				body = append(body, part.GetChunk()...)
			}
		}
		if body, err := fetch("file", 400_000); err != nil || !bytes.Equal(body, bytes.Repeat([]byte("file"), 100_000)) {
			t.Errorf("fetched %d bytes, %v", len(body), err)
		}
		if body, err := fetch("file", 399_999); code(err) != codes.OutOfRange || len(body) > 399_999 {
			t.Errorf("beyond the limit: %d bytes, %v", len(body), err)
		}
		if _, err := fetch("", 1); code(err) != codes.NotFound {
			t.Errorf("a missing file gives %v", err)
		}
	})
}

func TestSmallCalls(t *testing.T) {
	everywhere(t, func(t *testing.T, b *bench) {
		health, err := b.CheckHealth(limited(t), connectorv1.CheckHealthRequest_builder{Account: ref(accountID)}.Build())
		if err != nil || health.GetState() != connectorv1.AccountState_ACCOUNT_STATE_BAD_CREDENTIALS {
			t.Errorf("health is %v, %v", health, err)
		}
		typing := connectorv1.SignalKind_SIGNAL_KIND_TYPING
		if _, err := b.SendSignal(limited(t), connectorv1.SendSignalRequest_builder{Account: ref(accountID), Signal: &typing}.Build()); err != nil {
			t.Errorf("a failing signal is an error: %v", err)
		}
		text := "hi"
		message := connectorv1.RenderItem_builder{Message: connectorv1.RenderMessage_builder{
			Message: connectorv1.Message_builder{Content: connectorv1.Content_builder{Text: connectorv1.Text_builder{Text: &text}.Build()}.Build()}.Build(),
		}.Build()}.Build()
		frames, err := b.RenderSocket(limited(t), connectorv1.RenderSocketRequest_builder{
			Account: ref(accountID), Items: []*connectorv1.RenderItem{message, {}},
		}.Build())
		if err != nil || len(frames.GetFrames()) != 2 || string(frames.GetFrames()[0]) != `"hi"` || len(frames.GetFrames()[1]) != 0 {
			t.Errorf("rendered %q, %v", frames.GetFrames(), err)
		}
	})
}
