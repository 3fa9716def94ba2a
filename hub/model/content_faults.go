package model

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"unicode/utf8"
)

// Limits of content, above what any channel takes. A channel's own are in its
// connector's descriptor.
const (
	maxText         = 64 << 10 // bytes, here and below
	maxPayload      = 4 << 10
	maxTitle        = 256
	maxDescription  = 1 << 10
	maxURL          = 2 << 10
	maxContacts     = 257
	maxContactLines = 20
	maxSections     = 20
	maxItems        = 100 // of all sections
	maxCards        = 10
	maxButtons      = 10
	maxParameters   = 100
)

// contentCheck collects what is wrong with a content.
type contentCheck struct{ faults []Fault }

// Faults names everything that is wrong with a content, as such: what a
// channel takes is another question. Fields are relative to the content.
func (c *Content) Faults() []Fault {
	k := &contentCheck{}
	switch c.Type {
	case ContentText:
		k.text("text", c.Text, true, maxText)
	case ContentMedia:
		k.text("text", c.Text, false, maxText)
	case ContentLocation:
		k.degrees("latitude", c.Latitude, 90)
		k.degrees("longitude", c.Longitude, 180)
		k.text("name", c.Name, false, maxDescription)
		k.text("address", c.Address, false, maxDescription)
	case ContentContacts:
		k.contacts(c.Contacts)
	case ContentMenu:
		k.text("text", c.Text, true, maxText)
		k.text("button", c.Button, false, maxTitle)
		k.sections(c.Sections)
	case ContentCarousel:
		k.cards(c.Cards)
	case ContentLinkButton:
		k.text("text", c.Text, true, maxText)
		k.text("title", c.Title, true, maxTitle)
		k.link("url", c.URL)
	case ContentTemplate:
		k.text("name", c.Name, true, maxTitle)
		k.text("language", c.Language, true, maxTitle)
		k.parameters(c.Parameters)
	case ContentPostback:
		k.text("payload", c.Payload, true, maxPayload)
		k.text("title", c.Title, false, maxTitle)
	case ContentFormReply:
		k.text("name", c.Name, false, maxTitle)
		k.text("text", c.Text, false, maxText)
		if len(c.Values) > 0 && !json.Valid(c.Values) {
			k.fault("values", "must be JSON")
		}
	case ContentUnsupported:
		k.text("kind", c.Kind, true, maxTitle)
	default:
		k.fault("type", "is none of the common format")
	}
	return k.faults
}

func (k *contentCheck) fault(field, format string, args ...any) {
	k.faults = append(k.faults, Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
}

func (k *contentCheck) text(field, s string, needed bool, most int) {
	switch {
	case s == "" && needed:
		k.fault(field, "is needed")
	case !utf8.ValidString(s):
		k.fault(field, "is not valid UTF-8")
	case len(s) > most:
		k.fault(field, "has %d bytes; at most %d fit", len(s), most)
	}
}

func (k *contentCheck) count(field string, n, least, most int) {
	if n < least || n > most {
		k.fault(field, "has %d entries; give %d to %d", n, least, most)
	}
}

func (k *contentCheck) degrees(field string, v *float64, most float64) {
	switch {
	case v == nil:
		k.fault(field, "is needed")
	case math.IsNaN(*v) || math.Abs(*v) > most:
		k.fault(field, "is out of range; give degrees from -%g to %g", most, most)
	}
}

func (k *contentCheck) link(field, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(s) > maxURL {
		k.fault(field, "must be a web address of at most %d bytes", maxURL)
	}
}

func (k *contentCheck) contacts(all []ContactCard) {
	k.count("contacts", len(all), 1, maxContacts)
	for i, c := range all[:min(len(all), maxContacts)] {
		at := fmt.Sprintf("contacts[%d].", i)
		k.text(at+"name", c.Name, true, maxTitle)
		k.text(at+"organization", c.Organization, false, maxTitle)
		k.lines(at+"phones", c.Phones)
		k.lines(at+"emails", c.Emails)
	}
}

func (k *contentCheck) lines(field string, all []string) {
	k.count(field, len(all), 0, maxContactLines)
	for i, s := range all[:min(len(all), maxContactLines)] {
		k.text(fmt.Sprintf("%s[%d]", field, i), s, true, maxTitle)
	}
}

func (k *contentCheck) sections(all []MenuSection) {
	k.count("sections", len(all), 1, maxSections)
	items := 0
	for i, s := range all[:min(len(all), maxSections)] {
		at := fmt.Sprintf("sections[%d].", i)
		k.text(at+"title", s.Title, false, maxTitle)
		if items += len(s.Items); items > maxItems || len(s.Items) == 0 {
			k.fault(at+"items", "has %d entries; give at least one, and at most %d in all sections", len(s.Items), maxItems)
			continue
		}
		for n, item := range s.Items {
			at := fmt.Sprintf("%sitems[%d].", at, n)
			k.text(at+"payload", item.Payload, true, maxPayload)
			k.text(at+"title", item.Title, true, maxTitle)
			k.text(at+"description", item.Description, false, maxDescription)
		}
	}
}

func (k *contentCheck) cards(all []Card) {
	k.count("cards", len(all), 1, maxCards)
	for i, c := range all[:min(len(all), maxCards)] {
		at := fmt.Sprintf("cards[%d].", i)
		k.text(at+"title", c.Title, true, maxTitle)
		k.text(at+"subtitle", c.Subtitle, false, maxDescription)
		k.count(at+"buttons", len(c.Buttons), 0, maxButtons)
		for n, b := range c.Buttons[:min(len(c.Buttons), maxButtons)] {
			at := fmt.Sprintf("%sbuttons[%d].", at, n)
			k.text(at+"title", b.Title, true, maxTitle)
			switch {
			case (b.Payload == "") == (b.URL == ""):
				k.fault(at+"payload", "give either payload or url")
			case b.URL != "":
				k.link(at+"url", b.URL)
			default:
				k.text(at+"payload", b.Payload, true, maxPayload)
			}
		}
	}
}

func (k *contentCheck) parameters(all []TemplateParameter) {
	k.count("parameters", len(all), 0, maxParameters)
	for i, p := range all[:min(len(all), maxParameters)] {
		at := fmt.Sprintf("parameters[%d].", i)
		k.text(at+"component", p.Component, false, maxTitle)
		k.text(at+"name", p.Name, false, maxTitle)
		k.text(at+"text", p.Text, true, maxPayload)
	}
}

// Known reports whether the common format has the form.
func (t ContentType) Known() bool {
	switch t {
	case ContentText, ContentMedia, ContentLocation, ContentContacts, ContentMenu, ContentCarousel,
		ContentLinkButton, ContentTemplate, ContentPostback, ContentFormReply, ContentUnsupported:
		return true
	}
	return false
}

// InOnly reports whether a form comes from customers alone.
func (t ContentType) InOnly() bool {
	return t == ContentPostback || t == ContentFormReply || t == ContentUnsupported
}
