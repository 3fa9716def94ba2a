package model

import (
	"encoding/json"
	"strings"
	"testing"
)

func at(v float64) *float64 { return &v }

// TestContentFaults has one sound content of each form, and what is wrong with
// others, by field.
func TestContentFaults(t *testing.T) {
	for name, c := range map[string]struct {
		content Content
		want    string // the fields, separated by spaces
	}{
		"text":            {Content{Type: ContentText, Text: "hi"}, ""},
		"no text":         {Content{Type: ContentText}, "text"},
		"media":           {Content{Type: ContentMedia}, ""},
		"location":        {Content{Type: ContentLocation, Latitude: at(52.5), Longitude: at(0)}, ""},
		"nowhere":         {Content{Type: ContentLocation, Latitude: at(91)}, "latitude longitude"},
		"contacts":        {Content{Type: ContentContacts, Contacts: []ContactCard{{Name: "Ada", Phones: []string{"1"}}}}, ""},
		"no contacts":     {Content{Type: ContentContacts}, "contacts"},
		"nameless":        {Content{Type: ContentContacts, Contacts: []ContactCard{{Emails: []string{""}}}}, "contacts[0].name contacts[0].emails[0]"},
		"menu":            {Content{Type: ContentMenu, Text: "?", Sections: []MenuSection{{Items: []MenuItem{{Payload: "p", Title: "t"}}}}}, ""},
		"empty menu":      {Content{Type: ContentMenu, Sections: []MenuSection{{}}}, "text sections[0].items"},
		"half a choice":   {Content{Type: ContentMenu, Text: "?", Sections: []MenuSection{{Items: []MenuItem{{Title: "t"}}}}}, "sections[0].items[0].payload"},
		"carousel":        {Content{Type: ContentCarousel, Cards: []Card{{Title: "t", Buttons: []CardButton{{Title: "b", URL: "https://a.example"}}}}}, ""},
		"two-way button":  {Content{Type: ContentCarousel, Cards: []Card{{Title: "t", Buttons: []CardButton{{Title: "b", URL: "https://a.example", Payload: "p"}}}}}, "cards[0].buttons[0].payload"},
		"link_button":     {Content{Type: ContentLinkButton, Text: "t", Title: "b", URL: "https://a.example/x"}, ""},
		"a script":        {Content{Type: ContentLinkButton, Text: "t", Title: "b", URL: "javascript:alert(1)"}, "url"},
		"template":        {Content{Type: ContentTemplate, Name: "n", Language: "en", Parameters: []TemplateParameter{{Text: "x"}}}, ""},
		"bare template":   {Content{Type: ContentTemplate, Parameters: []TemplateParameter{{}}}, "name language parameters[0].text"},
		"postback":        {Content{Type: ContentPostback, Payload: "p"}, ""},
		"form_reply":      {Content{Type: ContentFormReply, Values: json.RawMessage(`{"a":1}`)}, ""},
		"no JSON":         {Content{Type: ContentFormReply, Values: json.RawMessage(`{`)}, "values"},
		"unsupported":     {Content{Type: ContentUnsupported, Kind: "poll"}, ""},
		"another's":       {Content{Type: "hologram"}, "type"},
		"far too long":    {Content{Type: ContentText, Text: strings.Repeat("x", 64<<10+1)}, "text"},
		"not UTF-8":       {Content{Type: ContentText, Text: "\xff"}, "text"},
		"an endless menu": {Content{Type: ContentMenu, Text: "?", Sections: make([]MenuSection, 21)}, "sections"},
	} {
		var got []string
		for _, f := range c.content.Faults() {
			got = append(got, f.Field)
		}
		if s := strings.Join(got, " "); s != c.want && (name != "an endless menu" || !strings.HasPrefix(s, c.want)) {
			t.Errorf("%s: faults in %q, want %q", name, s, c.want)
		}
		if known := c.content.Type != "hologram"; c.content.Type.Known() != known {
			t.Errorf("%s: known %v", name, !known)
		}
	}
}

func TestContentWeight(t *testing.T) {
	c := Content{
		Text: "12", Contacts: []ContactCard{{Name: "1", Phones: []string{"22"}, Emails: []string{"333"}}},
		Sections: []MenuSection{{Title: "1", Items: []MenuItem{{Payload: "p", Title: "t"}}}},
		Cards:    []Card{{Title: "t", Buttons: []CardButton{{URL: "uu"}}}}, Parameters: []TemplateParameter{{Text: "x"}},
	}
	if got := c.Weight(); got != 2+6+3+3+1 {
		t.Errorf("weight %d", got)
	}
}
