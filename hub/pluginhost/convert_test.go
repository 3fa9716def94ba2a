package pluginhost

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

func anyAccount(model.AccountID) bool { return true }

func testMessageID() model.MessageID {
	return model.MessagePlace{
		Conversation: model.NewConversationID(), Direction: model.Outbound, Key: model.NewRandom16(),
	}.ID()
}

// plainEvent is an event without its kind.
func plainEvent() connectorv1.Event_builder {
	return connectorv1.Event_builder{
		AccountId: new("a"), DedupeKey: new("k"), DisplayName: new(" Ada "),
		Addresses:   []*connectorv1.Address{connectorv1.Address_builder{Kind: new("phone"), Value: new("1")}.Build()},
		OccurredAt:  timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		Traceparent: new("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"),
	}
}

func plainWant() Event {
	return Event{
		AccountID: "a", DedupeKey: "k", DisplayName: "Ada",
		Addresses:   []model.Address{{Kind: model.Phone, Value: "1"}},
		OccurredAt:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
	}
}

func textContent(text string) *connectorv1.Content {
	return connectorv1.Content_builder{Text: connectorv1.Text_builder{Text: &text}.Build()}.Build()
}

func TestEventKinds(t *testing.T) {
	ours := testMessageID()
	target := connectorv1.Reference_builder{MessageId: new(string(ours)), ProviderId: new("p")}.Build()
	for name, c := range map[string]struct {
		in   func(*connectorv1.Event_builder)
		want func(*Event)
	}{
		"message": {
			func(b *connectorv1.Event_builder) {
				b.Message = connectorv1.Message_builder{
					ProviderId: new("wamid.1"), Content: textContent("hi"), Context: []byte(`{"a":1}`), ReplyTo: target,
					Attachments: []*connectorv1.Attachment{connectorv1.Attachment_builder{
						Id: new("att_of_its_own"), Name: new("a.jpg"), Kind: new("image"), MimeType: new("Image/JPEG; q=1"), Size: new(int64(-5)), FetchRef: []byte("ref"),
					}.Build()},
				}.Build()
			},
			func(e *Event) {
				e.Type = model.MessageReceived
				e.Message = &model.Message{
					ProviderID: "wamid.1", Direction: model.Inbound, Author: model.Customer,
					Content: &model.Content{Type: model.ContentText, Text: "hi"}, Context: []byte(`{"a":1}`),
					ReplyTo:     &model.Reference{ID: ours, ProviderID: "p"},
					Attachments: []model.Attachment{{Name: "a.jpg", Kind: model.Image, MimeType: "image/jpeg", State: model.AttachmentPending}},
				}
				e.FetchRefs = [][]byte{[]byte("ref")}
			},
		},
		"attachment alone": {
			func(b *connectorv1.Event_builder) {
				b.Message = connectorv1.Message_builder{
					Attachments: []*connectorv1.Attachment{connectorv1.Attachment_builder{Kind: new("hologram"), MimeType: new("no type")}.Build()},
				}.Build()
			},
			func(e *Event) {
				e.Type = model.MessageReceived
				e.Message = &model.Message{
					Direction: model.Inbound, Author: model.Customer, Content: &model.Content{Type: model.ContentMedia},
					Attachments: []model.Attachment{{Kind: model.File, State: model.AttachmentPending}},
				}
				e.FetchRefs = [][]byte{nil}
			},
		},
		"postback": {
			func(b *connectorv1.Event_builder) {
				b.Message = connectorv1.Message_builder{Content: connectorv1.Content_builder{
					Postback: connectorv1.Postback_builder{Payload: new("p"), Title: new("t")}.Build(),
				}.Build()}.Build()
			},
			func(e *Event) {
				e.Type = model.PostbackReceived
				e.Message = &model.Message{
					Direction: model.Inbound, Author: model.Customer,
					Content: &model.Content{Type: model.ContentPostback, Payload: "p", Title: "t"},
				}
			},
		},
		"a form the hub has no word for": {
			func(b *connectorv1.Event_builder) {
				b.Message = connectorv1.Message_builder{Content: connectorv1.Content_builder{
					Raw: connectorv1.RawContent_builder{Type: new("hologram"), Json: []byte(`{}`)}.Build(),
				}.Build()}.Build()
			},
			func(e *Event) {
				e.Type = model.MessageReceived
				e.Message = &model.Message{
					Direction: model.Inbound, Author: model.Customer,
					Content: &model.Content{Type: model.ContentUnsupported, Kind: "hologram"},
				}
			},
		},
		"a form of a newer contract": {
			func(b *connectorv1.Event_builder) {
				b.Message = connectorv1.Message_builder{Content: new(connectorv1.Content)}.Build()
			},
			func(e *Event) {
				e.Type = model.MessageReceived
				e.Message = &model.Message{
					Direction: model.Inbound, Author: model.Customer,
					Content: &model.Content{Type: model.ContentUnsupported, Kind: "unknown"},
				}
			},
		},
		"reaction": {
			func(b *connectorv1.Event_builder) {
				b.Reaction = connectorv1.Reaction_builder{Target: target, Emoji: new("👍")}.Build()
			},
			func(e *Event) {
				e.Type = model.MessageReaction
				e.Reaction = &model.Reaction{Emoji: "👍", MessageID: ours, ProviderID: "p"}
			},
		},
		"edited": {
			func(b *connectorv1.Event_builder) {
				b.Edited = connectorv1.MessageChange_builder{Target: target, Content: textContent("new")}.Build()
			},
			func(e *Event) {
				e.Type = model.MessageEdited
				e.Target = &model.Reference{ID: ours, ProviderID: "p"}
				e.Message = &model.Message{
					Direction: model.Inbound, Author: model.Customer,
					Content: &model.Content{Type: model.ContentText, Text: "new"},
				}
			},
		},
		"deleted": {
			func(b *connectorv1.Event_builder) {
				b.Deleted = connectorv1.MessageChange_builder{
					// An id that is not of our making is dropped.
					Target: connectorv1.Reference_builder{MessageId: new("msg_forged"), ProviderId: new("p")}.Build(),
				}.Build()
			},
			func(e *Event) {
				e.Type, e.Target = model.MessageDeleted, &model.Reference{ProviderID: "p"}
			},
		},
		"typing": {
			func(b *connectorv1.Event_builder) { b.Typing = new(connectorv1.Typing) },
			func(e *Event) { e.Type = model.TypingStarted },
		},
		"opted out": {
			func(b *connectorv1.Event_builder) {
				b.OptedOut = connectorv1.OptChange_builder{Reason: new("STOP")}.Build()
			},
			func(e *Event) { e.Type, e.Reason = model.ContactOptedOut, "STOP" },
		},
		"opted in": {
			func(b *connectorv1.Event_builder) {
				b.OptedIn = connectorv1.OptChange_builder{Reason: new(strings.Repeat("é", 40))}.Build()
			},
			func(e *Event) { e.Type, e.Reason = model.ContactOptedIn, strings.Repeat("é", 32) },
		},
		"ended": {
			func(b *connectorv1.Event_builder) { b.Ended = new(connectorv1.ConversationEnd) },
			func(e *Event) { e.Type = model.ConversationEnded },
		},
		"unsupported": {
			func(b *connectorv1.Event_builder) {
				b.Unsupported = connectorv1.Unsupported_builder{Kind: new("order\n")}.Build()
			},
			func(e *Event) { e.Type, e.Kind = model.UnsupportedReceived, `order\n` },
		},
		"a kind of a newer contract": {
			func(*connectorv1.Event_builder) {},
			func(e *Event) { e.Type, e.Kind = model.UnsupportedReceived, "unknown" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, want := plainEvent(), plainWant()
			c.in(&in)
			c.want(&want)
			got, why := eventIn(in.Build(), anyAccount)
			if why != reasonNone {
				t.Fatalf("refused: %s", why)
			}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEventRules(t *testing.T) {
	for name, c := range map[string]struct {
		in   func(*connectorv1.Event_builder)
		why  reason
		gone bool // nothing stands for it
	}{
		"no account":           {func(b *connectorv1.Event_builder) { b.AccountId = nil }, reasonAccount, true},
		"account that is none": {func(b *connectorv1.Event_builder) { b.AccountId = new("A/../B") }, reasonAccount, true},
		"no key":               {func(b *connectorv1.Event_builder) { b.DedupeKey = new("") }, reasonKey, false},
		"long key":             {func(b *connectorv1.Event_builder) { b.DedupeKey = new(strings.Repeat("k", 513)) }, reasonKey, false},
		"no address":           {func(b *connectorv1.Event_builder) { b.Addresses = nil }, reasonAddress, false},
		"many addresses": {func(b *connectorv1.Event_builder) {
			for range 20 {
				b.Addresses = append(b.Addresses, b.Addresses[0])
			}
		}, reasonAddress, false},
		"odd address kind": {func(b *connectorv1.Event_builder) {
			b.Addresses[0] = connectorv1.Address_builder{Kind: new("Phone\n"), Value: new("1")}.Build()
		}, reasonAddress, false},
		"long address": {func(b *connectorv1.Event_builder) {
			b.Addresses[0] = connectorv1.Address_builder{Kind: new("phone"), Value: new(strings.Repeat("1", 257))}.Build()
		}, reasonAddress, false},
		"bad link": {func(b *connectorv1.Event_builder) { b.Links = []*connectorv1.Address{nil} }, reasonAddress, false},
		"empty text": {func(b *connectorv1.Event_builder) {
			b.Message = connectorv1.Message_builder{Content: textContent("")}.Build()
		}, reasonContent, false},
		"no content": {func(b *connectorv1.Event_builder) { b.Message = new(connectorv1.Message) }, reasonContent, false},
		"context that is no JSON": {func(b *connectorv1.Event_builder) {
			b.Message = connectorv1.Message_builder{Content: textContent("x"), Context: []byte("{")}.Build()
		}, reasonContent, false},
		"context that is not UTF-8": {func(b *connectorv1.Event_builder) {
			b.Message = connectorv1.Message_builder{Content: textContent("x"), Context: []byte("\"\xff\"")}.Build()
		}, reasonContent, false},
		"long provider id": {func(b *connectorv1.Event_builder) {
			b.Message = connectorv1.Message_builder{Content: textContent("x"), ProviderId: new(strings.Repeat("p", 513))}.Build()
		}, reasonSize, false},
		"too big": {func(b *connectorv1.Event_builder) { b.DisplayName = new(strings.Repeat("x", maxEvent)) }, reasonSize, false},
		"long reference": {func(b *connectorv1.Event_builder) {
			b.Message = connectorv1.Message_builder{Attachments: []*connectorv1.Attachment{
				connectorv1.Attachment_builder{FetchRef: make([]byte, 5<<10)}.Build(),
			}}.Build()
		}, reasonFiles, false},
		"many attachments": {func(b *connectorv1.Event_builder) {
			b.Message = connectorv1.Message_builder{Attachments: make([]*connectorv1.Attachment, 33)}.Build()
		}, reasonFiles, false},
		"reaction to nothing": {func(b *connectorv1.Event_builder) {
			b.Reaction = connectorv1.Reaction_builder{Emoji: new("x")}.Build()
		}, reasonTarget, false},
		"edit of nothing": {func(b *connectorv1.Event_builder) { b.Edited = new(connectorv1.MessageChange) }, reasonTarget, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := plainEvent()
			in.Typing = nil
			c.in(&in)
			got, why := eventIn(in.Build(), anyAccount)
			if why != c.why || (got == nil) != c.gone {
				t.Fatalf("got %+v, %q", got, why)
			}
			if got == nil {
				return
			}
			if got.Type != model.UnsupportedReceived || got.Kind != "invalid_"+string(c.why) || got.Message != nil {
				t.Errorf("stand-in is %+v", got)
			}
			in.Traceparent = new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") // of another request
			again, _ := eventIn(in.Build(), anyAccount)
			if again.DedupeKey != got.DedupeKey || (c.why == reasonKey) == (got.DedupeKey == "k") || len(got.DedupeKey) > maxDedupeKey {
				t.Errorf("it is known as %q, and told again as %q", got.DedupeKey, again.DedupeKey)
			}
		})
	}
}

func TestStatusIn(t *testing.T) {
	ours := testMessageID()
	report := func(change func(*connectorv1.StatusReport_builder)) (*StatusReport, reason) {
		b := connectorv1.StatusReport_builder{AccountId: new("a"), Status: connectorv1.StatusKind_STATUS_KIND_DELIVERED.Enum()}
		change(&b)
		return statusIn(b.Build(), anyAccount)
	}
	got, why := report(func(b *connectorv1.StatusReport_builder) {
		b.Status = connectorv1.StatusKind_STATUS_KIND_FAILED.Enum()
		b.MessageId = new(string(ours))
		b.Code, b.ProviderCode, b.Detail = new("Not A Word"), new("131026\x00"), new(strings.Repeat("x", 1000))
	})
	want := &StatusReport{AccountID: "a", Status: model.Failed, MessageID: ours, Failure: &model.Failure{
		Code: "provider_failed", ProviderCode: `131026\x00`, Detail: strings.Repeat("x", maxDetail),
	}}
	if diff := cmp.Diff(want, got); diff != "" || why != reasonNone {
		t.Errorf("%s%s", why, diff)
	}
	got, why = report(func(b *connectorv1.StatusReport_builder) {
		b.Watermark = connectorv1.Watermark_builder{
			Address: connectorv1.Address_builder{Kind: new("psid"), Value: new("1")}.Build(), UpTo: timestamppb.New(time.Unix(1.7e9, 0)),
		}.Build()
	})
	if why != reasonNone || got.Watermark == nil || got.Watermark.UpTo.Unix() != 1.7e9 {
		t.Errorf("%s %+v", why, got)
	}
	for name, change := range map[string]func(*connectorv1.StatusReport_builder){
		"no target":     func(*connectorv1.StatusReport_builder) {},
		"forged id":     func(b *connectorv1.StatusReport_builder) { b.MessageId = new("msg_x") },
		"empty id":      func(b *connectorv1.StatusReport_builder) { b.ProviderId = new("") },
		"no time":       func(b *connectorv1.StatusReport_builder) { b.Watermark = new(connectorv1.Watermark) },
		"other account": func(b *connectorv1.StatusReport_builder) { b.AccountId = new("") },
		"new status":    func(b *connectorv1.StatusReport_builder) { b.Status = new(connectorv1.StatusKind(9)) },
	} {
		if got, why := report(change); why == reasonNone || got != nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

func TestOutcomeIn(t *testing.T) {
	many := make([]string, 20)
	for i := range many {
		many[i] = strings.Repeat("p", 250+i)
	}
	for name, c := range map[string]struct {
		in   connectorv1.Outcome_builder
		want Outcome
	}{
		"none": {connectorv1.Outcome_builder{}, Outcome{Kind: Unknown, Code: "no_outcome", Detail: "the connector named no outcome"}},
		"sent, some ids too long": {
			connectorv1.Outcome_builder{Sent: connectorv1.Sent_builder{ProviderIds: many}.Build()},
			Outcome{Kind: Sent, ProviderIDs: many[:7]},
		},
		"rejected": {
			connectorv1.Outcome_builder{Rejected: connectorv1.Rejected_builder{
				Scope: connectorv1.Scope_SCOPE_RECIPIENT.Enum(), Code: new("recipient_unreachable"), ProviderCode: new("x"), Detail: new("d\n"),
			}.Build()},
			Outcome{Kind: Rejected, Scope: ScopeRecipient, Code: "recipient_unreachable", ProviderCode: "x", Detail: `d\n`},
		},
		"rejected in an unknown scope": {
			connectorv1.Outcome_builder{Rejected: connectorv1.Rejected_builder{Scope: new(connectorv1.Scope(9))}.Build()},
			Outcome{Kind: Rejected, Scope: ScopeMessage, Code: "rejected"},
		},
		"throttled": {
			connectorv1.Outcome_builder{Throttled: connectorv1.Throttled_builder{
				Scope: connectorv1.Scope_SCOPE_ACCOUNT.Enum(), RetryAfterMs: new(int64(1 << 60)),
			}.Build()},
			Outcome{Kind: Throttled, Scope: ScopeAccount, RetryAfter: maxRetryAfter},
		},
		"retry in the past": {
			connectorv1.Outcome_builder{Retry: connectorv1.Retry_builder{RetryAfterMs: new(int64(-1))}.Build()},
			Outcome{Kind: Retry, Code: "retry"},
		},
		"unknown": {
			connectorv1.Outcome_builder{Unknown: connectorv1.Unknown_builder{Code: new("timeout")}.Build()},
			Outcome{Kind: Unknown, Code: "timeout"},
		},
	} {
		if diff := cmp.Diff(c.want, outcomeIn(c.in.Build())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDescriptorIn(t *testing.T) {
	good := func() *connectorv1.DescribeResponse {
		return connectorv1.DescribeResponse_builder{
			Name: new("echo"), Version: new("1.0.0\x1b"), DocsUrl: new("https://example.test/docs"),
			Capabilities: connectorv1.Capabilities_builder{ReceiveHttp: new(true)}.Build(),
			ConfigSchema: []byte(`{"type":"object"}`), IdempotentSend: new(true),
			Limits: connectorv1.Limits_builder{MaxText: new(int32(-1)), PerSecond: new(1e300), ContentTypes: []string{"text", "BAD TYPE"}}.Build(),
			Routes: []*connectorv1.Route{connectorv1.Route_builder{
				Mount: connectorv1.Mount_MOUNT_IN_ACCOUNT.Enum(), Mode: connectorv1.RouteMode_ROUTE_MODE_ACK.Enum(),
				Fallback: connectorv1.FallbackReply_builder{ContentType: new("application/json"), Body: []byte("{}")}.Build(),
				Signature: connectorv1.SignatureRecipe_builder{HmacSha256Body: connectorv1.HMACBody_builder{
					Header: new("X-Echo-Signature"), Prefix: new("sha256="), Secret: new("secret"),
				}.Build()}.Build(),
			}.Build(), connectorv1.Route_builder{Mount: new(connectorv1.Mount(9))}.Build()},
			Assets: []*connectorv1.Asset{connectorv1.Asset_builder{
				Path: new("js/widget.js"), ContentType: new("text/javascript; charset=utf-8"), Body: []byte("x"),
			}.Build()},
		}.Build()
	}
	got, err := descriptorIn(good())
	must(t, err)
	want := Descriptor{
		Name: "echo", Version: `1.0.0\x1b`, DocsURL: "https://example.test/docs", Can: Capabilities{ReceiveHTTP: true},
		Limits: Limits{PerSecond: maxPerSecond, ContentTypes: []model.ContentType{model.ContentText}},
		Routes: []Route{{
			Mount: MountInAccount, Methods: []string{"POST"}, MaxBody: 1 << 20,
			Fallback:  &HTTPReply{Status: 200, Headers: []Header{{"Content-Type", []string{"application/json"}}}, Body: []byte("{}")},
			Signature: &SignatureRecipe{HMACBody: &HMACBody{Header: "X-Echo-Signature", Prefix: "sha256=", Secret: "secret"}},
		}},
		Assets:       []Asset{{Path: "js/widget.js", ContentType: "text/javascript; charset=utf-8", Body: []byte("x")}},
		ConfigSchema: []byte(`{"type":"object"}`), IdempotentSend: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	for at, change := range map[string]func(*connectorv1.DescribeResponse){
		"name":               func(r *connectorv1.DescribeResponse) { r.SetName("no/name") },
		"docs_url":           func(r *connectorv1.DescribeResponse) { r.SetDocsUrl("javascript:alert(1)") },
		"features":           func(r *connectorv1.DescribeResponse) { r.SetFeatures(make([]string, 65)) },
		"limits":             func(r *connectorv1.DescribeResponse) { r.GetLimits().SetContentTypes(make([]string, 65)) },
		"routes":             func(r *connectorv1.DescribeResponse) { r.GetCapabilities().SetReceiveHttp(false) },
		"routes[0].max_body": func(r *connectorv1.DescribeResponse) { r.GetRoutes()[0].SetMaxBody(4 << 20) },
		"routes[0].methods":  func(r *connectorv1.DescribeResponse) { r.GetRoutes()[0].SetMethods([]string{"CONNECT"}) },
		"routes[0].fallback": func(r *connectorv1.DescribeResponse) { r.GetRoutes()[0].GetFallback().SetStatus(302) },
		"routes[1].mount":    func(r *connectorv1.DescribeResponse) { r.GetRoutes()[1].SetMount(connectorv1.Mount_MOUNT_IN_ACCOUNT) },
		"routes[0].signature": func(r *connectorv1.DescribeResponse) {
			r.GetRoutes()[0].GetSignature().GetHmacSha256Body().SetHeader("a b")
		},
		"routes[0].signature of SNS": func(r *connectorv1.DescribeResponse) {
			r.GetRoutes()[0].GetSignature().SetSns(&connectorv1.SNSSignature{})
		},
		"assets[0].path":         func(r *connectorv1.DescribeResponse) { r.GetAssets()[0].SetPath("a/../../b.js") },
		"assets[0].content_type": func(r *connectorv1.DescribeResponse) { r.GetAssets()[0].SetContentType("text/html\r\nX: y") },
		"secrets_schema":         func(r *connectorv1.DescribeResponse) { r.SetSecretsSchema([]byte("[]")) },
	} {
		r := good()
		change(r)
		at, _, _ := strings.Cut(at, " ")
		_, err := descriptorIn(r)
		wantCode(t, err, model.Invalid)
		if !strings.Contains(err.Error(), "; "+at+": ") {
			t.Errorf("fault at %q is reported as %v", at, err)
		}
	}
}

func TestMessageOutAndBack(t *testing.T) {
	at := model.At(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC))
	m := &model.Message{
		ID: testMessageID(), Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: "hi"},
		ReplyTo: &model.Reference{ProviderID: "p"}, Context: []byte(`{}`), CreatedAt: &at,
		Attachments: []model.Attachment{{ID: "att_1", Kind: model.Image, Size: 5}},
	}
	out := messageOut(m)
	if out.GetId() != string(m.ID) || out.GetAuthor() != connectorv1.Author_AUTHOR_CSR || out.GetContent().GetText().GetText() != "hi" ||
		out.GetAttachments()[0].GetId() != "att_1" || !out.GetCreatedAt().AsTime().Equal(at.Time) || out.GetReplyTo().GetProviderId() != "p" {
		t.Errorf("message is %v", out)
	}
	m.Direction, m.Status, m.Attachments[0].State = model.Outbound, model.Delivered, model.AttachmentReady
	item := renderItemOut(&RenderItem{Message: m}).GetMessage()
	if item.GetStatus() != connectorv1.StatusKind_STATUS_KIND_DELIVERED || item.GetMessage().GetAttachments()[0].GetState() != "ready" {
		t.Errorf("item is %v", item)
	}
	if m.Status = model.Queued; renderItemOut(&RenderItem{Message: m}).GetMessage().HasStatus() {
		t.Error("a message that is not sent has a status for the customer")
	}
	raw := contentOut(&model.Content{Type: model.ContentTemplate, Text: "x"}).GetRaw()
	if raw.GetType() != "template" || string(raw.GetJson()) != `{"type":"template","text":"x"}` {
		t.Errorf("raw content is %v", raw)
	}
	// A header of a stranger's may hold any byte.
	req := httpRequestOut(&HTTPRequest{URL: "/\xff", Headers: []Header{{"X\xff", []string{"\xff"}}}}, func(model.AccountID) uint64 { return 0 })
	if _, err := proto.Marshal(req); err != nil {
		t.Error(err)
	}
}

// FuzzItemsIn feeds the wire form of an answer to the conversion: whatever it
// holds, nothing breaks a rule afterwards.
func FuzzItemsIn(f *testing.F) {
	b := plainEvent()
	b.Message = connectorv1.Message_builder{Content: textContent("hi")}.Build()
	seed, err := proto.Marshal(connectorv1.HTTPResult_builder{
		Reply:              connectorv1.HTTPReply_builder{Status: new(int32(200))}.Build(),
		Items:              []*connectorv1.Item{connectorv1.Item_builder{Event: b.Build()}.Build()},
		VerifiedAccountIds: []string{"a"},
	}.Build())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := new(connectorv1.HTTPResult)
		if proto.Unmarshal(wire, in) != nil {
			return
		}
		refused := refusals{}
		out := httpResultIn(&HTTPRequest{}, in, anyAccount, refused)
		if out.Reply.Status < 200 || out.Reply.Status > 599 {
			t.Errorf("status %d", out.Reply.Status)
		}
		missing := len(in.GetItems()) - len(out.Items)
		counted := 0
		for _, n := range refused {
			counted += n
		}
		if missing > counted {
			t.Errorf("%d items are missing, %d were counted", missing, counted)
		}
		for _, item := range out.Items {
			if (item.Event == nil) == (item.Status == nil) {
				t.Errorf("item is %+v", item)
			}
			if e := item.Event; e != nil && (e.DedupeKey == "" || e.Type == "" || !model.ValidConfiguredID(string(e.AccountID)) ||
				e.Message != nil && len(e.FetchRefs) != len(e.Message.Attachments)) {
				t.Errorf("event is %+v", e)
			}
		}
	})
}
