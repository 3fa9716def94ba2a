package mirror

import (
	"encoding/json"
	"fmt"

	"github.com/channelhub/channelhub/sdk"
)

// form is the JSON of those forms that the SDK has a type of.
type form struct {
	Type      string    `json:"type"`
	Text      string    `json:"text,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	Payload   string    `json:"payload,omitempty"`
	Title     string    `json:"title,omitempty"`
	URL       string    `json:"url,omitempty"`
	Latitude  *float64  `json:"latitude,omitempty"`
	Longitude *float64  `json:"longitude,omitempty"`
	Name      string    `json:"name,omitempty"`
	Address   string    `json:"address,omitempty"`
	Button    string    `json:"button,omitempty"`
	Sections  []section `json:"sections,omitempty"`
}

type section struct {
	Title string `json:"title,omitempty"`
	Items []item `json:"items"`
}

type item struct {
	Payload     string `json:"payload"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}

func menuOf(f form) sdk.Menu {
	m := sdk.Menu{Text: f.Text, Button: f.Button}
	for _, s := range f.Sections {
		to := sdk.MenuSection{Title: s.Title}
		for _, i := range s.Items {
			to.Items = append(to.Items, sdk.MenuItem(i))
		}
		m.Sections = append(m.Sections, to)
	}
	return m
}

func sectionsOf(m sdk.Menu) []section {
	var out []section
	for _, s := range m.Sections {
		to := section{Title: s.Title}
		for _, i := range s.Items {
			to.Items = append(to.Items, item(i))
		}
		out = append(out, to)
	}
	return out
}

// contentOf is the content that the JSON spells. A form without a type of the
// SDK's goes through as it is.
func contentOf(text json.RawMessage) (sdk.Content, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	var f form
	switch kind.Type {
	case sdk.ContentContacts, sdk.ContentCarousel, sdk.ContentTemplate, sdk.ContentFormReply:
		return sdk.RawContent{Type: kind.Type, JSON: text}, nil
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	switch f.Type {
	case sdk.ContentText:
		return sdk.Text{Text: f.Text}, nil
	case sdk.ContentMedia:
		return sdk.Media{Caption: f.Text}, nil
	case sdk.ContentLocation:
		if f.Latitude == nil || f.Longitude == nil {
			return nil, fmt.Errorf("read content: a location has both coordinates")
		}
		return sdk.Location{Latitude: *f.Latitude, Longitude: *f.Longitude, Name: f.Name, Address: f.Address}, nil
	case sdk.ContentMenu:
		return menuOf(f), nil
	case sdk.ContentLinkButton:
		return sdk.LinkButton{Text: f.Text, Title: f.Title, URL: f.URL}, nil
	case sdk.ContentPostback:
		return sdk.Postback{Payload: f.Payload, Title: f.Title}, nil
	}
	return sdk.Unsupported{Kind: f.Kind}, nil
}

// jsonOf is contentOf the other way round.
func jsonOf(content sdk.Content) (json.RawMessage, error) {
	f := form{Type: content.ContentType()}
	switch c := content.(type) {
	case sdk.RawContent:
		return c.JSON, nil
	case sdk.Text:
		f.Text = c.Text
	case sdk.Media:
		f.Text = c.Caption
	case sdk.Location:
		f.Latitude, f.Longitude, f.Name, f.Address = &c.Latitude, &c.Longitude, c.Name, c.Address
	case sdk.Menu:
		f.Text, f.Button, f.Sections = c.Text, c.Button, sectionsOf(c)
	case sdk.LinkButton:
		f.Text, f.Title, f.URL = c.Text, c.Title, c.URL
	default:
		return nil, sdk.Reject("no_such_form", nil)
	}
	return json.Marshal(f)
}
