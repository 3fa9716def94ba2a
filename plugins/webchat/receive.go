package webchat

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/webhook"
)

const maxID = 64

// payload is a frame from the widget.
type payload struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
	// Attachments are files that the hub has from the same visitor.
	Attachments []payloadFile `json:"attachments"`
}

type payloadFile struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// The codes of a refusal, as the protocol names them.
const (
	malformed   = "malformed"
	unsupported = "unsupported"
	tooLong     = "too_long"
)

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func receiveFrame(_ context.Context, hook *sdk.Hook[*account], frame *sdk.Frame) error {
	var in payload
	if err := webhook.DecodeJSON(frame.Data, &in, &webhook.DecodeOptions{AllowUnknown: true}); err != nil {
		return sdk.RefuseFrame(malformed, "This is not a frame of the chat.", "")
	}
	event := sdk.Event{Addresses: []sdk.Address{frame.Visitor}, OccurredAt: frame.ReceivedAt}
	if in.Type == "typing" {
		// One word for all of them: the hub keeps one in three seconds.
		event.DedupeKey, event.Body = "typing", sdk.Typing{}
		hook.Emit(event)
		return nil
	}
	if in.Type != "message" && in.Type != "end" {
		return sdk.RefuseFrame(unsupported, "This chat does not know that.", in.ID)
	}
	if in.ID == "" || utf8.RuneCountInString(in.ID) > maxID {
		return sdk.RefuseFrame(malformed, "A frame needs an id.", in.ID)
	}
	// An id is taken once, whatever it came with first.
	event.DedupeKey = "frame/" + in.ID
	if in.Type == "end" {
		event.Body = sdk.Ended{}
		hook.Emit(event)
		return nil
	}
	message, err := in.message(hook.This().files)
	if err != nil {
		return err
	}
	event.Body = message
	hook.Emit(event)
	return nil
}

// message is what the visitor says. Whether the files are theirs, the hub
// knows.
func (in *payload) message(takesFiles bool) (*sdk.Message, error) {
	text := lineBreaks.Replace(in.Text)
	blank := strings.TrimSpace(text) == ""
	switch {
	case blank && len(in.Attachments) == 0:
		return nil, sdk.RefuseFrame(malformed, "The message is empty.", in.ID)
	case !fits(text):
		return nil, sdk.RefuseFrame(tooLong, "The message is too long.", in.ID)
	case len(in.Attachments) == 0:
		return &sdk.Message{ProviderID: in.ID, Content: sdk.Text{Text: text}}, nil
	case !takesFiles:
		return nil, sdk.RefuseFrame(unsupported, "This chat takes no files.", in.ID)
	case len(in.Attachments) > maxFiles:
		return nil, sdk.RefuseFrame(tooLong, "The message has too many files.", in.ID)
	}
	if blank {
		text = ""
	}
	message := &sdk.Message{ProviderID: in.ID, Content: sdk.Media{Caption: text}}
	for _, f := range in.Attachments {
		if f.ID == "" {
			return nil, sdk.RefuseFrame(malformed, "A file needs an id.", in.ID)
		}
		message.Attachments = append(message.Attachments, sdk.Attachment{ID: f.ID, Name: f.Name, Kind: sdk.KindFile})
	}
	return message, nil
}

// fits reports whether a text is within the limit, which counts characters.
func fits(text string) bool { return utf8.RuneCountInString(text) <= maxText }
