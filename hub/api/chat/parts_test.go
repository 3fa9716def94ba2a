package chat

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

func TestPositionComesBack(t *testing.T) {
	conv := model.NewConversationID()
	for _, p := range []position{{}, {in: 1}, {in: 7, lane: 300, index: 255}, {in: math.MaxUint64, lane: math.MaxUint64, index: math.MaxUint64}} {
		token := p.token(conv)
		got, ok := parsePosition(token, conv)
		if !ok || got != p {
			t.Errorf("%+v became %+v, %v", p, got, ok)
		}
		if len(token) > maxOpaque {
			t.Errorf("the token has %d characters", len(token))
		}
		if _, ok := parsePosition(token, model.NewConversationID()); ok {
			t.Error("it is a position of another conversation too")
		}
	}
}

// A position has exactly one spelling, whatever a browser makes up.
func FuzzPosition(f *testing.F) {
	conv := model.ConversationID("cnv_00000000000000000000000000")
	f.Add(position{in: 1, lane: 2, index: 3}.token(conv))
	f.Add("AQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if p, ok := parsePosition(token, conv); ok && p.token(conv) != token {
			t.Errorf("%q is read as %+v", token, p)
		}
	})
}

func TestWindow(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newWindow(2)
	for _, step := range []struct {
		after time.Duration
		ok    bool
		wait  time.Duration
	}{
		{0, true, 0},
		{time.Second, true, 0},
		{time.Second, false, 8 * time.Second},
		{8 * time.Second, true, 0}, // the first is ten seconds old
		{0, false, time.Second},
		{time.Second, true, 0},
	} {
		at = at.Add(step.after)
		if wait, ok := w.allow(at); ok != step.ok || wait != step.wait {
			t.Errorf("at %s: %v, wait %s; want %v, %s", at, ok, wait, step.ok, step.wait)
		}
	}
}

func TestOriginOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://hub.example":            "https://hub.example",
		"https://hub.example:443/path?q": "https://hub.example",
		"http://127.0.0.1:8080":          "http://127.0.0.1:8080",
		"http://[2001:db8::1]:80/":       "http://[2001:db8::1]",
		"https://hub.example:80":         "https://hub.example:80",
		"":                               "",
		"hub.example":                    "",
		"http://%zz":                     "",
	} {
		if got, ok := originOf(url); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", url, got, ok)
		}
	}
}

func TestAddressGroup(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1000":              "192.0.2.1",
		"192.0.2.1":                   "192.0.2.1",
		"[::ffff:192.0.2.1]:1000":     "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1000": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1000":         "fe80::/64",
		"a pipe":                      "a pipe",
	} {
		if got := addressGroup(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

func TestMergeKeepsBothOrders(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	run := func(times ...int) (out []entry) {
		for _, s := range times {
			out = append(out, entry{when: at(s)})
		}
		return out
	}
	var got []int64
	for _, e := range merge(run(1, 5, 3), run(2, 4)) {
		got = append(got, e.when.Unix())
	}
	// 3 was committed behind 5, whatever its clock said.
	want := []int64{1, 2, 4, 5, 3}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}

	one := func(id model.MessageID) entry { return entry{when: at(1), message: &model.Message{ID: id}} }
	var ids []model.MessageID
	for _, e := range merge([]entry{one("b"), one("d")}, []entry{one("a"), one("c"), one("e")}) {
		ids = append(ids, e.message.ID)
	}
	if want := []model.MessageID{"a", "b", "c", "d", "e"}; !slices.Equal(ids, want) {
		t.Errorf("of one time %v, want %v", ids, want)
	}
}
