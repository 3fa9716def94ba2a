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
	text := lineBreaks.Replace(in.Text)
	switch {
	case strings.TrimSpace(text) == "":
		return sdk.RefuseFrame(malformed, "The message is empty.", in.ID)
	case !fits(text):
		return sdk.RefuseFrame(tooLong, "The message is too long.", in.ID)
	}
	event.Body = &sdk.Message{ProviderID: in.ID, Content: sdk.Text{Text: text}}
	hook.Emit(event)
	return nil
}

// fits reports whether a text is within the limit, which counts characters.
func fits(text string) bool { return utf8.RuneCountInString(text) <= maxText }
