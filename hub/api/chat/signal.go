package chat

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// Signal shows a hint from the CSR's side to the browsers of a conversation:
// the connector renders it, and what it has no frame for is not shown. Signals
// are best effort: without a socket here nothing happens.
func (c *Chat) Signal(ctx context.Context, client model.ClientID, conv model.ConversationID, kind pluginhost.SignalKind, author model.Author, readUpTo model.MessageID) error {
	key := conversationKey{client, conv}
	sockets := c.sockets.ofConversation(key)
	if len(sockets) == 0 {
		return nil
	}
	c.sockets.poke(key) // read and ended are part of the state
	frames, err := sockets[0].renderItems(ctx, []pluginhost.RenderItem{{Signal: kind, Author: author, ReadUpTo: readUpTo}})
	if err != nil || len(frames[0]) == 0 {
		return err
	}
	offer(sockets, frames[0])
	return nil
}

// PushSocket sends a frame that is no message to the open sockets of a visitor
// and returns how many of them took it. An account that is not the plugin's is
// model.NotFound (I8).
func (c *Chat) PushSocket(_ context.Context, plugin model.PluginID, account model.AccountID, contact model.Address, frame []byte) (int, error) {
	const op = "push to sockets"
	acct, ok := c.opts.Accounts.Account(account)
	if !ok || acct.Plugin != plugin {
		return 0, model.Errorf(model.NotFound, op, "there is no such account")
	}
	if !utf8.Valid(frame) || !json.Valid(frame) { // a browser closes on what is not UTF-8
		return 0, model.Errorf(model.Invalid, op, "a frame is JSON")
	}
	return offer(c.sockets.ofVisitor(visitorKey{account, contact}), frame), nil
}

func offer(sockets []*socket, frame []byte) (took int) {
	b := bundle("", [][]byte{frame})
	for _, s := range sockets {
		if s.offer(b) {
			took++
		}
	}
	return took
}
