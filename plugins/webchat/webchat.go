// Package webchat is the connector of the hub's own web chat: the widget that a
// site embeds with one script tag. It translates the payload frames of
// docs/webchat-protocol.md to events and messages to frames; the socket, its
// visitors and their limits are the hub's.
//
// The browser's side is written in web/ and built into assets/, which is
// committed: building the connector takes no Node.
package webchat

import (
	"context"

	"github.com/channelhub/channelhub/sdk"
)

const (
	// maxText is what a message may have, in both directions, in characters.
	maxText = 4000
	// maxFiles is how many files one message may have, in both directions.
	maxFiles = 10
)

// Connector is the web chat channel.
var Connector = sdk.Connector[settings, *account]{
	Info:         sdk.Info{Name: "webchat", Version: "1.0.0", Summary: "Web chat: a widget for the client's own site."},
	Limits:       sdk.Limits{MaxText: maxText, MaxAttachments: maxFiles, ContentTypes: []string{sdk.ContentText, sdk.ContentMedia}},
	AddressKinds: []string{"visitor"},
	Routes:       []sdk.Route{{Mount: sdk.ChatSocket}},
	Assets:       mustAssets(embedded),
	Open:         open,
	Validate:     validate,
	ReceiveFrame: receiveFrame,
	Render:       (*account).render,
}

// account is an open account. A browser brings all that is needed with it, so
// there is nothing to keep.
type account struct {
	files bool // visitors may send files
}

func open(_ context.Context, _ *sdk.Host, a sdk.Account[settings]) (*account, error) {
	return &account{files: a.Settings.Attachments}, nil
}
