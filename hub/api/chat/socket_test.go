package chat

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
)

func TestOrigins(t *testing.T) {
	h := startHub(t, newConnector(), func(o *Options) {
		o.ExternalURL = func() string { return "https://hub.example:443/base" }
	})
	for _, c := range []struct {
		account model.AccountID
		origin  string
		allowed bool
	}{
		{demoAccount, shopOrigin, true},
		{demoAccount, "https://hub.example", true},
		{demoAccount, "https://hub.example:443", false}, // no browser spells it so
		{demoAccount, "http://shop.example", false},
		{demoAccount, "https://shop.example:8443", false},
		{demoAccount, "https://shop.example.evil.example", false},
		{demoAccount, "https://www.shop.example", false},
		{demoAccount, "null", false},
		{demoAccount, "", false},
		{"closed", shopOrigin, false},
		{"closed", "https://hub.example", true},
		{"anywhere", "https://whatever.example", true},
		{"anywhere", "null", true},
		{"anywhere", "", false},
	} {
		conn, status := dial(t, h, c.account, c.origin)
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("%q on %s: answered %d", c.origin, c.account, status)
		}
		b := &browser{t: t, conn: conn}
		if !c.allowed {
			if code := b.closeCode(); code != closeOrigin {
				t.Errorf("%q on %s: closed with %d", c.origin, c.account, code)
			}
			continue
		}
		b.hello("", "")
		_ = conn.CloseNow()
	}
}

func TestNoChatNoUpgrade(t *testing.T) {
	plugins := newConnector()
	h := startHub(t, plugins, nil)
	all := demoAccounts()
	off := all[demoAccount]
	off.Enabled = false
	other := all["closed"]
	other.Plugin = "later"
	h.configure(map[model.AccountID]accounts.Account{demoAccount: off, "soon": other})
	for account, want := range map[model.AccountID]int{
		"nobody": http.StatusNotFound, demoAccount: http.StatusNotFound, "soon": http.StatusServiceUnavailable,
	} {
		if _, status := dial(t, h, account, shopOrigin); status != want {
			t.Errorf("%s: answered %d, not %d", account, status, want)
		}
	}
}

func TestTokens(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	b.say("Hello")
	ctx := t.Context()
	foreign, err := h.client(t).VisitorToken(ctx, "anywhere", b.visitor(h), h.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"unknown": "nonsense", "another account's": foreign, "tampered with": flip(b.token), "cut": b.token[:len(b.token)-2],
	} {
		c := connect(t, h)
		c.send(map[string]any{"type": "hello", "version": 1, "token": token})
		if code := c.closeCode(); code != closeToken {
			t.Errorf("a token that is %s: closed with %d", name, code)
		}
	}

	// A visit keeps the token alive, for as long again.
	h.clock.Store(int64(29 * 24 * time.Hour))
	back := arrive(t, h, b.token, "")
	h.clock.Store(int64(58 * 24 * time.Hour))
	if again := arrive(t, h, back.token, ""); again.visitor(h) != back.visitor(h) {
		t.Error("the visitor became somebody else")
	}
	c := connect(t, h)
	c.send(map[string]any{"type": "hello", "version": 1, "token": b.token})
	if code := c.closeCode(); code != closeToken {
		t.Errorf("an expired token: closed with %d", code)
	}
}

// flip changes one character in the middle.
func flip(token string) string {
	at := len(token) / 2
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

func TestBrokenProtocol(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	text := func(s string) func(*browser) {
		return func(b *browser) { b.write(websocket.MessageText, []byte(s)) }
	}
	binary := func(b *browser) { b.write(websocket.MessageBinary, []byte(`{"type":"ping"}`)) }
	big := text(`{"type":"message","text":"` + strings.Repeat("x", 32<<10) + `"}`)
	for name, c := range map[string]struct {
		greeted bool
		act     func(*browser)
		want    websocket.StatusCode
	}{
		"no JSON":           {false, text("hello"), closeProtocol},
		"another version":   {false, text(`{"type":"hello","version":2}`), closeProtocol},
		"no hello":          {false, text(`{"type":"message","version":1,"id":"1","text":"x"}`), closeProtocol},
		"a hello of binary": {false, binary, closeProtocol},
		"a long token":      {false, text(`{"type":"hello","version":1,"token":"` + strings.Repeat("t", 513) + `"}`), closeProtocol},
		"a number as token": {false, text(`{"type":"hello","version":1,"token":1}`), closeProtocol},
		"a big hello":       {false, big, closeTooBig},
		"later no JSON":     {true, text(`{"type":`), closeProtocol},
		"a list":            {true, text(`[1]`), closeProtocol},
		"no type":           {true, text(`{"id":"1"}`), closeProtocol},
		"an id of another":  {true, text(`{"type":"message","id":1}`), closeProtocol},
		"a long id":         {true, text(`{"type":"message","id":"` + strings.Repeat("i", 65) + `"}`), closeProtocol},
		"not UTF-8":         {true, text("{\"type\":\"\xff\"}"), closeProtocol},
		"binary":            {true, binary, closeProtocol},
		"big":               {true, big, closeTooBig},
	} {
		b := connect(t, h)
		if c.greeted {
			b.hello("", "")
		}
		c.act(b)
		if code := b.closeCode(); code != c.want {
			t.Errorf("%s: closed with %d, not %d", name, code, c.want)
		}
	}
}

func TestHelloIsAwaitedForAWhile(t *testing.T) {
	h := startHub(t, newConnector(), func(o *Options) { o.Limits.HelloWithin = time.Millisecond })
	if code := connect(t, h).closeCode(); code != closeProtocol {
		t.Errorf("closed with %d", code)
	}
}

func TestRefusals(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	for name, c := range map[string]struct {
		frame map[string]any
		want  string
	}{
		"unknown":           {map[string]any{"type": "wave"}, nackUnsupported},
		"too long":          {map[string]any{"type": "refuse", "text": "too_long"}, nackTooLong},
		"malformed":         {map[string]any{"type": "refuse", "text": "malformed"}, nackMalformed},
		"of its own making": {map[string]any{"type": "refuse", "text": "rate_limited"}, nackRejected},
		"of another's":      {map[string]any{"type": "foreign"}, nackRejected},
		"a second hello":    {map[string]any{"type": "hello", "version": 1}, nackMalformed},
	} {
		if f := b.ask(c.frame); f.Type != "nack" || f.Code != c.want || f.Retry || f.Detail == "" {
			t.Errorf("%s: answered %+v", name, f)
		}
	}
	if f := b.ask(map[string]any{"type": "silent"}); f.Code != nackUnavailable || !f.Retry {
		t.Errorf("a frame of which nothing is durable is answered %+v", f)
	}
	b.send(map[string]any{"type": "ping"})
	if f := b.next(); f.Type != "pong" {
		t.Errorf("a ping is answered %+v", f)
	}
	b.send(map[string]any{"type": "wave"}) // without an id: a signal
	b.send(map[string]any{"type": "ping"})
	if f := b.next(); f.Type != "pong" {
		t.Errorf("a signal is answered %+v", f)
	}
}

func TestRateLimit(t *testing.T) {
	h := startHub(t, newConnector(), func(o *Options) { o.Limits.FramesPer10s, o.Limits.FloodPer10s = 3, 6 })
	b := arrive(t, h, "", "")
	for range 3 {
		b.say("again and again")
	}
	f := b.ask(map[string]any{"type": "message", "text": "too much"})
	if f.Code != nackRateLimited || !f.Retry || f.RetryAfter <= 0 || f.RetryAfter > 10_000 {
		t.Errorf("one frame too many is answered %+v", f)
	}
	h.clock.Store(int64(11 * time.Second))
	b.say("later")
	for range 6 {
		b.send(map[string]any{"type": "message", "id": newID(), "text": "flood"})
	}
	if code := b.closeCode(); code != closeTooMany {
		t.Errorf("a flood is closed with %d", code)
	}
}

func TestSocketLimits(t *testing.T) {
	remote := "192.0.2.1:1000"
	var mu sync.Mutex
	at := func(address string) { mu.Lock(); defer mu.Unlock(); remote = address }
	h := startHub(t, newConnector(), func(o *Options) {
		o.Limits.VisitorSockets, o.Limits.AddressSockets, o.Limits.Sockets = 2, 3, 5
		o.RemoteAddress = func(*http.Request) string { mu.Lock(); defer mu.Unlock(); return remote }
	})
	b := arrive(t, h, "", "")
	tab := b.tab(h, "")
	third := connect(t, h)
	third.send(map[string]any{"type": "hello", "version": 1, "token": b.token})
	if code := third.closeCode(); code != closeTooMany {
		t.Errorf("one tab too many: closed with %d", code)
	}
	eventually(t, "the third socket is gone", func() bool { return len(h.sockets.all()) == 2 })

	open := func(want int) {
		t.Helper()
		connect(t, h)
		eventually(t, "the socket is counted", func() bool { return len(h.sockets.all()) == want })
	}
	open(3)
	if code := connect(t, h).closeCode(); code != closeTooMany {
		t.Errorf("one socket of an address too many: closed with %d", code)
	}
	eventually(t, "it is gone", func() bool { return len(h.sockets.all()) == 3 })
	at("[2001:db8::1]:1000")
	open(4)
	at("[2001:db8::2]:1000")
	open(5)
	at("192.0.2.9:1")
	if code := connect(t, h).closeCode(); code != closeLater {
		t.Errorf("one socket too many: closed with %d", code)
	}
	eventually(t, "it is gone", func() bool { return len(h.sockets.all()) == 5 })

	// What leaves makes room.
	_ = tab.conn.CloseNow()
	eventually(t, "a tab is gone", func() bool { return len(h.sockets.all()) == 4 })
	at("192.0.2.1:2000")
	arrive(t, h, b.token, "")
}

func TestAccountsThatServeNoMore(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	h.StateChanged()
	b.say("still there")
	h.accounts.Move(demoAccount, accounts.Paused, "by an operator", h.now())
	h.StateChanged()
	if code := b.closeCode(); code != closeLater {
		t.Errorf("paused: closed with %d", code)
	}
	if code := connect(t, h).closeCode(); code != closeLater {
		t.Errorf("a new one: closed with %d", code)
	}
	h.accounts.Move(demoAccount, accounts.Closed, "", h.now())
	h.accounts.Move(demoAccount, accounts.Open, "", h.now())
	b = arrive(t, h, b.token, b.position)
	h.configure(map[model.AccountID]accounts.Account{})
	h.StateChanged()
	if code := b.closeCode(); code != closeLater {
		t.Errorf("removed: closed with %d", code)
	}
}

func TestCloseSaysComeBack(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	greeted, silent := arrive(t, h, "", ""), connect(t, h)
	eventually(t, "both are open", func() bool { return len(h.sockets.all()) == 2 })
	done := make(chan error, 1)
	go func() { done <- h.Close(context.WithoutCancel(t.Context())) }()
	for _, b := range []*browser{greeted, silent} {
		if code := b.closeCode(); code != closeRestart {
			t.Errorf("closed with %d", code)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, status := dial(t, h, demoAccount, shopOrigin); status != http.StatusServiceUnavailable {
		t.Errorf("after Close: answered %d", status)
	}
}

func TestCloseDoesNotWaitForTheDeaf(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	connect(t, h) // reads nothing, so answers no close
	eventually(t, "it is open", func() bool { return len(h.sockets.all()) == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ctx); err != nil {
		t.Error(err)
	}
	if left := len(h.sockets.all()); left != 0 {
		t.Errorf("%d sockets are left", left)
	}
}

func TestGonePeerIsDropped(t *testing.T) {
	h := startHub(t, newConnector(), func(o *Options) {
		o.Limits.PingEvery, o.Limits.PongWithin = 2*time.Millisecond, 20*time.Millisecond
	})
	b := connect(t, h)
	b.hello("", "") // and reads no more, so sends no pong
	eventually(t, "the socket is gone", func() bool { return len(h.sockets.all()) == 0 })
}

func TestSlowBrowserIsLetGo(t *testing.T) {
	t.Parallel() // the library waits five seconds for a peer that does not read
	h := startHub(t, newConnector(), func(o *Options) { o.Limits.WriteWithin = 10 * time.Millisecond })
	b := arrive(t, h, "", "")
	to, frame := b.visitor(h), encode(map[string]string{"type": "typing", "pad": strings.Repeat("x", 256<<10)})
	eventually(t, "the socket is gone", func() bool {
		took, err := h.PushSocket(t.Context(), demoPlugin, demoAccount, to, frame)
		return err == nil && took == 0 && len(h.sockets.all()) == 0
	})
}
