package pluginhost

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// TestEveryFormBothWays: what the hub hands a connector, a connector can tell
// the hub, and nothing of it changes.
func TestEveryFormBothWays(t *testing.T) {
	for _, c := range []model.Content{
		{Type: model.ContentText, Text: "hi"},
		{Type: model.ContentMedia, Text: "caption"},
		{Type: model.ContentLocation, Latitude: new(52.52), Longitude: new(0.0), Name: "n", Address: "a"},
		{Type: model.ContentContacts, Contacts: []model.ContactCard{{Name: "Ada", Phones: []string{"1"}, Emails: []string{"e"}, Organization: "o"}}},
		{Type: model.ContentMenu, Text: "?", Button: "b", Sections: []model.MenuSection{{Title: "s", Items: []model.MenuItem{{Payload: "p", Title: "t", Description: "d"}}}}},
		{Type: model.ContentCarousel, Cards: []model.Card{{Title: "t", Subtitle: "s", Buttons: []model.CardButton{{Title: "b", Payload: "p"}}}}},
		{Type: model.ContentLinkButton, Text: "t", Title: "b", URL: "https://a.example"},
		{Type: model.ContentTemplate, Name: "n", Language: "en", Parameters: []model.TemplateParameter{{Component: "body", Name: "n", Text: "x"}}},
		{Type: model.ContentPostback, Payload: "p", Title: "t"},
		{Type: model.ContentFormReply, Name: "n", Text: "t", Values: []byte(`{"a":1}`)},
		{Type: model.ContentUnsupported, Kind: "poll"},
	} {
		got, why := contentIn(contentOut(&c))
		if why != reasonNone {
			t.Errorf("%s is refused: %s", c.Type, why)
			continue
		}
		if diff := cmp.Diff(&c, got); diff != "" {
			t.Errorf("%s (-out +in):\n%s", c.Type, diff)
		}
	}
}

// TestRawFormsAreJudged: JSON of a connector's making is not passed on unread.
func TestRawFormsAreJudged(t *testing.T) {
	for _, text := range []string{`{`, `{}`, `{"cards":[{"title":"t","buttons":[{"title":"b","url":"javascript:x"}]}]}`} {
		raw := connectorv1.RawContent_builder{Type: new("carousel"), Json: []byte(text)}.Build()
		if _, why := contentIn(connectorv1.Content_builder{Raw: raw}.Build()); why != reasonContent {
			t.Errorf("%s: %q", text, why)
		}
	}
	raw := connectorv1.RawContent_builder{Type: new("form_reply"), Json: []byte("{\"values\":\"\xff\"}")}.Build()
	if _, why := contentIn(connectorv1.Content_builder{Raw: raw}.Build()); why != reasonContent {
		t.Errorf("JSON that is not UTF-8: %q", why)
	}
}
