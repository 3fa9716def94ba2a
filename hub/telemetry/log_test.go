package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

type lines []string

func (l *lines) WriteLine(_ time.Time, line []byte) { *l = append(*l, string(line)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC)

func testLogger(level hclog.Level) (hclog.InterceptLogger, *lines) {
	out := &lines{}
	return NewLogger(out, &LoggerOptions{Level: level, Now: func() time.Time { return noon }}), out
}

func TestLine(t *testing.T) {
	log, out := testLogger(hclog.Debug)
	log.Named("flow").With(FieldClient, "acme").Debug("lane started", FieldCount, 3, "wait", 2*time.Second, "done", false, "err", errors.New("no"), "from", netip.MustParseAddr("127.0.0.1"), "at", noon, "none", nil)
	want := lines{`{"@timestamp":"2026-11-23T12:00:00.005Z","@level":"debug","@module":"hub.flow","@message":"lane started","client_id":"acme","count":3,"wait":"2s","done":false,"err":"no","from":"127.0.0.1","at":"2026-11-23T12:00:00.005Z","none":null}`}
	if diff := cmp.Diff(want, *out); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLevels(t *testing.T) {
	log, out := testLogger(hclog.Info)
	sub := log.Named("sub")
	sub.Debug("no")
	sub.Info("yes")
	if sub.IsDebug() || !sub.IsInfo() {
		t.Error("a derived logger does not know its level")
	}
	log.SetLevel(hclog.Debug)
	sub.Debug("yes, now")
	if len(*out) != 2 {
		t.Errorf("got %d lines, want 2: %q", len(*out), *out)
	}
}

func TestContactsShowFromWarnOnly(t *testing.T) {
	type address string
	for _, tc := range []struct {
		level hclog.Level
		shown bool
	}{{hclog.Trace, false}, {hclog.Debug, false}, {hclog.Info, false}, {hclog.Warn, true}, {hclog.Error, true}} {
		log, out := testLogger(hclog.Trace)
		contact := Contact(address("+15551234567"))
		log.Log(tc.level, "refused", FieldContact, contact)
		log.Log(tc.level, "refused", FieldReason, hclog.Fmt("to %s", contact))
		log.Log(tc.level, "refused", "all", []ContactValue{contact})
		// Outside the helper it is hidden at every level.
		log.Log(tc.level, "to +15551234567", "error", fmt.Errorf("send to %s: %v", "+15551234567", contact))
		for i, line := range *out {
			want := tc.shown && (i == 0 || i == 2)
			if got := strings.Contains(line, "15551234567"); got != want {
				t.Errorf("%s, line %d: shown = %t, want %t: %s", tc.level, i, got, want, line)
			}
		}
	}
}

func TestContactPrintsHidden(t *testing.T) {
	c := Contact("15551234567")
	encoded, err := json.Marshal(map[string]any{"c": c, "p": &c})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ C ContactValue }
	for _, got := range []string{
		c.String(), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q %d %x", c, c, c, c, c, c, c),
		fmt.Sprintf("%v %+v %v", holder{c}, holder{c}, []ContactValue{c}), string(encoded),
	} {
		if strings.Contains(got, "1555") || strings.Contains(got, "31353535") || !strings.Contains(got, hidden) {
			t.Errorf("printed %q", got)
		}
	}
}

func TestSecretsAreScrubbed(t *testing.T) {
	secret := strings.Repeat("Abc123xyz", 5)
	for _, text := range []string{
		"hub_desk-1_" + secret,
		"whsec_" + secret,
		"Authorization: Bearer " + secret,
		"basic " + secret,
		"GET https://graph.facebook.com/me?access_token=" + secret + "&x=1",
		"/chat/demo/demo#token=" + secret,
		"hub.verify_token=" + secret,
		`answer {"error":"x","access_token" : "` + secret + `"}`,
		`answer {"app_secret":"` + secret,
		"dial https://user:" + secret + "@example.com",
		"EAA" + secret,
		"-----BEGIN EC PRIVATE KEY-----\n" + secret,
		"wamid." + secret,
	} {
		log, out := testLogger(hclog.Trace)
		log.Error(text)
		log.Error("x", "value", text)
		log.Error("x", "error", fmt.Errorf("call: %w", errors.New(text)))
		log.Error("x", "format", hclog.Fmt("%s", text))
		log.Error("x", "list", []string{text})
		log.Error("x", "token", secret, "auth_secret", secret, "Authorization", secret)
		log.Named(text).Error("x")
		for _, line := range *out {
			if strings.Contains(line, "Abc123") {
				t.Errorf("logged: %s", line)
			}
		}
		if len(*out) != 7 {
			t.Errorf("%d lines of 7", len(*out))
		}
	}
}

func TestHarmlessTextStays(t *testing.T) {
	for _, text := range []string{
		"hub_inbound_events_total is 3", "basic checks passed", "token created", "127.0.0.1:8080",
		"+5 s", "evt_0123", "sms: 429", "key=value", "2026-11-23T12:00:00+01:00",
	} {
		if got := scrub(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestOnlyScalarsAreShown(t *testing.T) {
	type message struct{ Text string }
	type raw []byte
	log, out := testLogger(hclog.Trace)
	m := message{"canary"}
	log.Error("x", "struct", m, "pointer", &m, "map", map[string]string{"canary": "canary"}, "list", []message{m},
		"bytes", []byte("canary"), "raw", raw("canary"), "json", json.RawMessage(`"canary"`), "array", [6]byte([]byte("canary")),
		"format", hclog.Fmt("%v %+v", m, &m), "nested", [][]string{{"canary"}}, "func", func() {}, "proto", protoLike{"canary"})
	if len(*out) != 1 || strings.Contains((*out)[0], "canary") {
		t.Fatalf("logged: %s", *out)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte((*out)[0]), &fields); err != nil {
		t.Fatal(err)
	}
	if fields["struct"] != "[telemetry.message]" || fields["bytes"] != "[6 bytes]" {
		t.Errorf("got %v and %v, want what kind of thing it was", fields["struct"], fields["bytes"])
	}
}

type protoLike struct{ text string }

func (protoLike) ProtoMessage()    {}
func (p protoLike) String() string { return p.text }

type grumpy struct{ name string }

func (g *grumpy) String() string { return g.name }

func TestOddArguments(t *testing.T) {
	log, out := testLogger(hclog.Trace)
	var nobody *grumpy
	log.Error("x", "nil stringer", nobody)
	log.Error("x", "lonely")
	log.Error("x", 7, "number as a key")
	log.Error("x", "@level", "forged", "@timestamp", "forged")
	log.Error("x", "a", 1, "a", 2)
	log.Error("x", "nan", 0/zero(), "list", []any{1, "two", nil, true})
	log.Error("x", "format", hclog.Format{}, "bad", hclog.Format{3})
	want := []map[string]any{
		{"nil stringer": "[*telemetry.grumpy]"},
		{hclog.MissingKey: "lonely"},
		{hclog.MissingKey: "number as a key"},
		{"_level": "forged", "_timestamp": "forged"},
		{"a": 2.0},
		{"nan": "NaN", "list": []any{1.0, "two", nil, true}},
		{"format": "", "bad": "[hclog.Format]"},
	}
	for i, line := range *out {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for _, own := range []string{fieldTime, fieldLevel, fieldModule, fieldMessage} {
			delete(got, own)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	}
}

func zero() float64 { return 0 }

func TestBounds(t *testing.T) {
	log, out := testLogger(hclog.Trace)
	log.Error(strings.Repeat("é", 10_000), "value", strings.Repeat("x ", 1<<20), "list", make([]int, 1000))
	args := []any{}
	for i := range 1000 {
		args = append(args, fmt.Sprintf("%d%0100d", i, 0), i)
	}
	log.Error("many", args...)
	for _, line := range *out {
		if len(line) > 16<<10 || !json.Valid([]byte(line)) || !utf8.ValidString(line) {
			t.Errorf("a line of %d bytes, JSON: %t", len(line), json.Valid([]byte(line)))
		}
	}
	if !strings.Contains((*out)[0], "bytes more]") || !strings.Contains((*out)[1], "fields_left_out") {
		t.Error("what was left out is not said")
	}
}

func FuzzLine(f *testing.F) {
	f.Add("plain", "key", "value")
	f.Add("\x1b[31mred\x9b2J", "a\nb", "\u202eturned\u0085\u2028")
	f.Add("\xff\xfe", `"`, `\`)
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		line := Line(noon, hclog.Warn, msg, msg, key, value)
		if !json.Valid(line) {
			t.Fatalf("no JSON: %q", line)
		}
		for _, r := range string(line) {
			if r < 0x20 || 0x7F <= r && r < 0xA0 || 0x202A <= r && r <= 0x202E || r == 0x2028 {
				t.Fatalf("%U in %q", r, line)
			}
		}
	})
}
