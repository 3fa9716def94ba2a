package sdk

import (
	"context"
	"io"
	"strings"
	"testing"
)

type none struct{}

func opens(context.Context, *Host, Account[none]) (none, error) { return none{}, nil }

// A connector that contradicts itself must not get as far as a hub.
func TestContradictionsPanicAtStart(t *testing.T) {
	receives := func(context.Context, *Hook[none], *Request) (*Reply, error) { return nil, nil }
	for complaint, c := range map[string]Connector[none, none]{
		"Info.Name must match":               {Open: opens},
		"function Open is required":          {Info: Info{Name: "x"}},
		"IdempotentSend without Send":        {Info: Info{Name: "x"}, Open: opens, IdempotentSend: true},
		"route in_account without Receive":   {Info: Info{Name: "x"}, Open: opens, Routes: []Route{{Mount: AccountRoute}}},
		"route ChatSocket without":           {Info: Info{Name: "x"}, Open: opens, Routes: []Route{{Mount: ChatSocket}}},
		`route at unknown mount "elsewhere"`: {Info: Info{Name: "x"}, Open: opens, Routes: []Route{{Mount: "elsewhere"}}},
		"route AppRoute without Addresses":   {Info: Info{Name: "x"}, Open: opens, Receive: receives, Routes: []Route{{Mount: AppRoute}}},
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), complaint) {
					t.Errorf("%s: %v", complaint, err)
				}
			}()
			NewServer(c, io.Discard)
		}()
	}
}

func TestDescriptionIsDerived(t *testing.T) {
	connector := Connector[none, none]{
		Info: Info{Name: "x", Version: "1"}, Open: opens,
		Send:   func(none, context.Context, *Delivery) (Sent, error) { return Sent{}, nil },
		Render: func(none, context.Context, *RenderItem) ([]byte, error) { return nil, nil },
		Routes: []Route{{
			Mount: AccountRoute, Reply: true, Methods: []string{"GET"}, MaxBody: 5,
			Signature: TwilioSignature{Secret: "token"},
		}, {Mount: AccountRoute, Fallback: ReplyJSON(200, "{}"), Signature: SNSSignature{}}},
		Receive:          func(context.Context, *Hook[none], *Request) (*Reply, error) { return nil, nil },
		ExclusiveSession: true,
		Assets:           []Asset{{Path: "a.js", Demo: true}},
	}
	described, err := connector.describe(nil)
	if err != nil {
		t.Fatal(err)
	}
	can := described.GetCapabilities()
	if !can.GetSend() || !can.GetRenderSocket() || !can.GetReceiveHttp() || !can.GetValidateAccount() ||
		can.GetSendSignal() || can.GetFetchAttachment() || can.GetCheckHealth() || can.GetReceiveSocket() {
		t.Errorf("capabilities are %v", can)
	}
	first, second := described.GetRoutes()[0], described.GetRoutes()[1]
	if first.GetSignature().GetTwilio().GetSecret() != "token" || first.GetMode().String() != "ROUTE_MODE_REPLY" || first.GetMaxBody() != 5 || first.HasFallback() {
		t.Errorf("the first route is %v", first)
	}
	if !second.GetSignature().HasSns() || second.GetMode().String() != "ROUTE_MODE_ACK" || second.GetFallback().GetContentType() != "application/json" {
		t.Errorf("the second route is %v", second)
	}
	if got := described.GetLimits().GetContentTypes(); len(got) != 1 || got[0] != ContentText {
		t.Errorf("content types are %v", got)
	}
	if described.GetSession().String() != "SESSION_MODE_EXCLUSIVE" || !described.GetAssets()[0].GetDemo() {
		t.Errorf("described as %v", described)
	}
}
