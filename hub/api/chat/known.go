package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	// maxKnown bounds what is kept of a browser that it says of itself.
	maxKnown     = 512
	maxPage      = 4 << 10
	maxCookies   = 32
	maxCookie    = 1 << 10
	maxCookiesIn = 8 << 10
	maxData      = 8 << 10
)

// knownOf is what is known of the browser at the other end. It lives in
// memory, and in the conversation's row while a session lasts; it is in no
// event and in no log. The worker of the socket alone changes it, once the
// hello is over.
type knownOf struct {
	ip, userAgent string
	page, data    json.RawMessage
	cookies       map[string]string

	session model.SessionID // that it was kept for last
}

// knownBy is what is known with what the page says now, in place of what it
// said before. What is too large is left out: it is no reason to refuse
// somebody who has something to say. So are cookies that the account's
// settings do not name, whatever page it is.
func (s *socket) knownBy(t told) *knownOf {
	k := *s.known
	k.page = objectWithin(t.Page, maxPage)
	k.data = objectWithin(t.Data, maxData)
	k.cookies = map[string]string{}
	room := maxCookiesIn
	for _, name := range cookiesOf(s.account) {
		value, told := t.Cookies[name]
		if size := len(name) + len(value); told && size <= min(maxCookie, room) && len(k.cookies) < maxCookies {
			k.cookies[name] = value
			room -= size
		}
	}
	return &k
}

// takeContext takes what the page says of itself later than in its hello. What
// it said before costs nothing.
func (s *socket) takeContext(ctx context.Context, f frame) []byte {
	var t told
	if json.Unmarshal(f.data, &t) != nil {
		return never(f, nackMalformed, "A context is a page, cookies and data.")
	}
	k := s.knownBy(t)
	if bytes.Equal(k.page, s.known.page) && bytes.Equal(k.data, s.known.data) && maps.Equal(k.cookies, s.known.cookies) {
		return taken(f)
	}
	k.session = ""
	s.known = k
	s.keepKnown(ctx)
	return taken(f)
}

func objectWithin(raw json.RawMessage, most int) json.RawMessage {
	var object map[string]json.RawMessage
	if len(raw) > most || json.Unmarshal(raw, &object) != nil || object == nil {
		return nil
	}
	return raw
}

// keepKnown keeps it for the conversation's session, if it has one: after the
// hello of somebody who comes back, and after what opened one. It is worth no
// failure: what was said is taken.
func (s *socket) keepKnown(ctx context.Context) {
	conv, err := s.conversation(ctx)
	if err == nil && conv != "" {
		s.known.session, err = s.chat.opts.Inbound.KeepContext(ctx, s.client, conv, store.SessionContext{
			Session: s.known.session, IP: s.known.ip, UserAgent: s.known.userAgent, Page: s.known.page, Cookies: s.known.cookies, Data: s.known.data,
		})
	}
	if err != nil && ctx.Err() == nil {
		s.chat.log.Warn("the context of a session was not kept", telemetry.FieldAccount, s.account.ID, "code", model.CodeOf(err))
	}
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return cut(address, maxKnown)
	}
	return host
}

func cut(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
