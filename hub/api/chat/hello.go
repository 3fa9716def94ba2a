package chat

import (
	"context"
	"encoding/json"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// greet takes the hello and answers it. It returns where the browser is in its
// conversation, nil when it shall be shown all that is kept. When ok is false,
// the connection has ended or is being ended.
func (s *socket) greet(ctx context.Context, channel pluginhost.Limits) (at *position, ok bool) {
	late := time.AfterFunc(s.chat.limits.HelloWithin, func() { s.end(closeProtocol, "say hello first") })
	f, ok := s.next(ctx)
	late.Stop()
	if !ok {
		return nil, false
	}
	var h hello
	if f.kind != "hello" || json.Unmarshal(f.data, &h) != nil || h.Version != protocolVersion ||
		len(h.Token) > maxOpaque || len(h.Position) > maxOpaque {
		s.end(closeProtocol, "say hello in version 1")
		return nil, false
	}
	s.known = s.knownBy(h.told)
	ctx, cancel := context.WithTimeout(ctx, s.chat.limits.FrameWithin)
	defer cancel()
	token, err := s.admitVisitor(ctx, h.Token)
	switch {
	case model.Is(err, model.Denied):
		s.end(closeToken, "the token is not valid")
		return nil, false
	case err == nil && s.visit == nil:
		s.end(closeTooMany, "too many connections")
		return nil, false
	case err == nil:
		at, err = s.resume(ctx, h.Position)
	}
	if err != nil {
		s.chat.log.Error("a chat socket could not be opened", telemetry.FieldAccount, s.account.ID, "error", err)
		s.end(closeFault, "the hub could not do this")
		return nil, false
	}
	s.send(ctx, encode(welcome{
		Type: "welcome", Token: token, Resumed: at != nil,
		Limits:  welcomeLimit{Text: channel.MaxText, Frame: s.chat.limits.FrameBytes, FramesPer10s: s.chat.limits.FramesPer10s, Files: s.chat.fileLimits(s.account)},
		Cookies: cookiesOf(s.account),
	}))
	s.welcomed.Store(true)
	s.keepKnown(ctx)
	return at, true
}

// admitVisitor finds out who is at the other end, makes the socket one of
// theirs, and returns the token they keep. The visit stays nil when they have
// too many sockets.
func (s *socket) admitVisitor(ctx context.Context, token string) (string, error) {
	var err error
	if s.client, err = s.chat.opts.Store.Client(ctx, s.account.Client); err != nil {
		return "", err
	}
	s.visitor = store.NewVisitor()
	if token != "" {
		if s.visitor, err = s.client.ParseVisitorToken(ctx, s.account.ID, token); err != nil {
			return "", err
		}
	}
	expires := s.chat.opts.Now().Add(s.chat.limits.VisitorLifetime)
	if token, err = s.client.VisitorToken(ctx, s.account.ID, s.visitor, expires); err != nil {
		return "", err
	}
	if v, ok := s.chat.sockets.join(s, visitorKey{s.account.ID, s.visitor}, s.account.Client); ok {
		s.visit = v
	}
	return token, nil
}

// resume finds the visitor's conversation and returns the place in it that the
// browser names, or nil when it names none that the conversation still has.
func (s *socket) resume(ctx context.Context, token string) (*position, error) {
	conv, err := s.conversation(ctx)
	if err != nil || conv == "" {
		return nil, err
	}
	p, ok := parsePosition(token, conv)
	if !ok {
		return nil, nil
	}
	row, err := s.client.ReadConversation(ctx, conv)
	if err != nil && !model.Is(err, model.NotFound) {
		return nil, err
	}
	lane := s.client.Lane(conv)
	tail, err := lane.Tail(ctx)
	if err != nil {
		return nil, err
	}
	floor, err := lane.Floor(ctx)
	if err != nil {
		return nil, err
	}
	if p.in > row.In || p.lane < floor || p.lane > tail || p.lane == tail && p.index > 0 {
		return nil, nil
	}
	return &p, nil
}

// conversation returns the visitor's conversation; empty when there is none
// before the first message.
func (s *socket) conversation(ctx context.Context) (model.ConversationID, error) {
	if conv := s.chat.sockets.conversation(s.visit); conv != "" {
		return conv, nil
	}
	dir, err := s.client.Find(ctx, s.account.ID, s.visitor)
	if model.Is(err, model.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	s.chat.sockets.bind(s.visit, dir.Conversation)
	return dir.Conversation, nil
}
