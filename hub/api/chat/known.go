package chat

import (
	"context"
	"encoding/json"
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

// knownBy is what the hello adds. What is too large is left out: it is no
// reason to refuse somebody who has something to say.
func (s *socket) knownBy(h hello) *knownOf {
	k := *s.known
	k.page = objectWithin(h.Page, maxPage)
	k.data = objectWithin(h.Data, maxData)
	size := 0
	for name, value := range h.Cookies {
		size += len(name) + len(value)
		if len(name)+len(value) > maxCookie {
			size = maxCookiesIn + 1
		}
	}
	if len(h.Cookies) <= maxCookies && size <= maxCookiesIn {
		k.cookies = h.Cookies
	}
	return &k
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
