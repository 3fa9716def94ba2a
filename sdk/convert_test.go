package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	protobuf "google.golang.org/protobuf/proto"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// overTheWire marshals and unmarshals, as a real call does.
func overTheWire[M protobuf.Message](t *testing.T, in, out M) M {
	t.Helper()
	raw, err := protobuf.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := protobuf.Unmarshal(raw, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMessagesSurviveTheWire(t *testing.T) {
	for _, content := range []Content{
		Text{"hello"},
		Media{"a caption"},
		Location{52.5, -13.25, "Café", "Main St 1"},
		Postback{"p-1", "Yes"},
		Menu{"Choose", "Open", []MenuSection{{"First", []MenuItem{{"p", "t", "d"}}}, {Title: "Second"}}},
		LinkButton{"See", "Here", "https://a.example"},
		RawContent{"template", json.RawMessage(`{"type":"template"}`)},
		Unsupported{"hologram"},
	} {
		want := &Message{
			ID: "msg_1", ProviderID: "p-1", Author: Bot, Content: content,
			Attachments: []Attachment{{ID: "att_1", Name: "a.jpg", Kind: KindImage, MimeType: "image/jpeg", Size: 7, FetchRef: []byte("ref")}},
			ReplyTo:     &Reference{"msg_0", "p-0"},
			Context:     json.RawMessage(`{"k":1}`),
			CreatedAt:   time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		}
		got := messageIn(overTheWire(t, messageOut(want), &connectorv1.Message{}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", content.ContentType(), diff)
		}
	}
	if got := messageIn(messageOut(&Message{})); got.Author != Customer || !got.CreatedAt.IsZero() || got.ReplyTo != nil {
		t.Errorf("an empty message becomes %+v", got)
	}
}

func TestRenderItemsSayHowThingsStand(t *testing.T) {
	for kind, want := range statuses {
		got := renderItemIn(connectorv1.RenderItem_builder{Message: connectorv1.RenderMessage_builder{
			Status:  kind.Enum(),
			Message: connectorv1.Message_builder{Attachments: []*connectorv1.Attachment{connectorv1.Attachment_builder{State: new("refused")}.Build()}}.Build(),
		}.Build()}.Build())
		if got.Status != want || got.Message.Attachments[0].State != AttachmentRefused {
			t.Errorf("%s becomes %q with a file that is %q", kind, got.Status, got.Message.Attachments[0].State)
		}
	}
}

// strange is a content of an author's own making.
type strange struct{}

func (strange) ContentType() string { return "strange" }

func TestWhatTheContractDoesNotKnow(t *testing.T) {
	if got := contentIn(contentOut(strange{})); got != (Unsupported{"strange"}) {
		t.Errorf("an author's own content becomes %v", got)
	}
	if got := contentIn(&connectorv1.Content{}); got != (Unsupported{}) {
		t.Errorf("a content of a newer hub becomes %v", got)
	}
	future := connectorv1.Author(99)
	if got := messageIn(connectorv1.Message_builder{Author: &future}.Build()).Author; got != "" {
		t.Errorf("an author of a newer hub becomes %q", got)
	}
}

func TestEventsSayWhatHappened(t *testing.T) {
	target := Reference{"msg_1", "p-1"}
	for _, c := range []struct {
		body EventBody
		kind string
	}{
		{&Message{Content: Text{"hello"}}, "message"},
		{Reaction{target, "👍", true}, "reaction"},
		{Edited{target, Text{"hullo"}}, "edited"},
		{Deleted{target}, "deleted"},
		{Typing{}, "typing"},
		{OptedOut{"STOP"}, "opted_out"},
		{OptedIn{"START"}, "opted_in"},
		{Ended{}, "ended"},
		{Unsupported{"hologram"}, "unsupported"},
	} {
		event := &Event{
			DedupeKey: "k", Addresses: []Address{{"phone", "1555"}}, DisplayName: "Ada",
			OccurredAt: time.Unix(1, 0), Links: []Address{{"bsuid", "b"}}, Body: c.body,
		}
		out, err := eventOut(event, "a", "00-1")
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		out = overTheWire(t, out, &connectorv1.Event{})
		field := out.ProtoReflect().WhichOneof(out.ProtoReflect().Descriptor().Oneofs().ByName("kind"))
		if string(field.Name()) != c.kind {
			t.Errorf("%s became %s", c.kind, field.Name())
		}
		if out.GetAccountId() != "a" || out.GetTraceparent() != "00-1" || out.GetAddresses()[0].GetValue() != "1555" || out.GetLinks()[0].GetKind() != "bsuid" {
			t.Errorf("%s lost something: %v", c.kind, out)
		}
	}
	for what, event := range map[string]*Event{
		"no dedupe key": {Addresses: []Address{{}}, Body: Typing{}},
		"no address":    {DedupeKey: "k", Body: Typing{}},
		"no body":       {DedupeKey: "k", Addresses: []Address{{}}},
		"a nil message": {DedupeKey: "k", Addresses: []Address{{}}, Body: (*Message)(nil)},
	} {
		if _, err := eventOut(event, "a", ""); err == nil {
			t.Errorf("an event with %s was converted", what)
		}
	}
}

// One bad byte would make protobuf refuse the whole answer.
func TestInvalidTextIsMended(t *testing.T) {
	bad := "a\xffb"
	out, err := eventOut(&Event{
		DedupeKey: bad, Addresses: []Address{{bad, bad}}, DisplayName: bad, Body: &Message{ProviderID: bad, Content: Text{bad}},
	}, "a", bad)
	if err != nil {
		t.Fatal(err)
	}
	if got := overTheWire(t, out, &connectorv1.Event{}).GetMessage().GetContent().GetText().GetText(); got != "a\uFFFDb" {
		t.Errorf("the text became %q", got)
	}
	reply := replyOut(&Reply{Header: http.Header{bad: {bad}}})
	overTheWire(t, reply, &connectorv1.HTTPReply{})
	overTheWire(t, sentOut(Sent{ProviderIDs: []string{bad}}), &connectorv1.Outcome{})
	overTheWire(t, outcomeOut(RejectRecipient(bad, errors.New(bad)), false, func(s string) string { return s }), &connectorv1.Outcome{})
}

func TestErrorsBecomeOutcomes(t *testing.T) {
	plain := errors.New("some reason")
	wrapped := func(err error) error { return fmt.Errorf("send: %w", err) }
	for _, c := range []struct {
		err   error
		begun bool
		want  string
	}{
		{plain, false, `retry:{detail:"some reason"}`},
		{plain, true, `unknown:{detail:"some reason"}`},
		{Reject("too_long", plain), true, `rejected:{scope:SCOPE_MESSAGE code:"too_long" detail:"some reason"}`},
		{Reject("too_long", plain).WithProviderCode("131"), true, `rejected:{scope:SCOPE_MESSAGE code:"too_long" provider_code:"131" detail:"some reason"}`},
		{RejectRecipient("gone", nil), true, `rejected:{scope:SCOPE_RECIPIENT code:"gone"}`},
		{wrapped(RejectAccount("blocked", plain)), false, `rejected:{scope:SCOPE_ACCOUNT code:"blocked" detail:"some reason"}`},
		{Throttle(1500*time.Millisecond, plain), true, `throttled:{scope:SCOPE_ACCOUNT retry_after_ms:1500 detail:"some reason"}`},
		{Throttle(0, nil), true, `throttled:{scope:SCOPE_ACCOUNT}`},
		{Retry(plain), true, `retry:{detail:"some reason"}`},
		{wrapped(Unknown(plain)), false, `unknown:{detail:"some reason"}`},
		{&OutcomeError{Kind: "of the future"}, false, `unknown:{}`},
	} {
		out := outcomeOut(c.err, c.begun, func(s string) string { return s })
		// The text form varies its spaces on purpose.
		if got := strings.ReplaceAll(fmt.Sprint(out), "  ", " "); got != c.want {
			t.Errorf("%v, begun %t: %s instead of %s", c.err, c.begun, got, c.want)
		}
	}
}

func TestHealthOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want HealthState
	}{
		{nil, HealthOK},
		{errors.New("odd"), HealthDegraded},
		{RejectAccount("expired", nil), HealthBadCredentials},
		{Retry(nil), HealthUnreachable},
		{Unknown(nil), HealthUnreachable},
		{Throttle(0, nil), HealthDegraded},
		{Reject("odd", nil), HealthDegraded},
	} {
		if got := HealthOf(c.err).State; got != c.want {
			t.Errorf("%v is %s instead of %s", c.err, got, c.want)
		}
	}
}

// An enum value that was added to the contract, and not here, would come out
// as zero in silence.
func TestEnumsAreComplete(t *testing.T) {
	for _, c := range []struct {
		known int
		names any
	}{
		{len(authors), connectorv1.Author_name},
		{len(signals), connectorv1.SignalKind_name},
		{len(statusesOut), connectorv1.StatusKind_name},
		{len(healthOut), connectorv1.AccountState_name},
		{len(scopesOut), connectorv1.Scope_name},
		{len(mountsOut), connectorv1.Mount_name},
	} {
		if values := reflect.ValueOf(c.names).Len() - 1; values != c.known {
			t.Errorf("%v: %d of %d values are known", c.names, c.known, values)
		}
	}
}
