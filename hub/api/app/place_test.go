package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/store"
)

// ask reads events with headers in pairs.
func (r *rooms) ask(query string, headers ...string) (status int, p hubtest.Problem) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+"/v1/events?"+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer x")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, p // a stream has no end to read to
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	if err != nil {
		r.t.Fatalf("%v: %s", err, body)
	}
	return resp.StatusCode, p
}

// TestCursorsOutOfPlace hands in cursors that the hub made and whose place is
// not there, in every way there is: none is answered with events, with an open
// stream, or with waiting.
func TestCursorsOutOfPlace(t *testing.T) {
	r := newRooms(t, nil)
	for n := range 6 {
		r.say(fmt.Sprint(n), fmt.Sprint("t", n))
	}
	r.trim(3)
	cursor := func(at store.Position) string {
		t.Helper()
		c, err := r.client.Cursor(t.Context(), []store.Position{at})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	stream := []string{"Accept", "text/event-stream"}
	for name, tc := range map[string]struct {
		at     store.Position
		status int
		kind   string
	}{
		"below the floor":      {store.Position{N: 2}, 410, "gone"},
		"the floor":            {store.Position{N: 3, Index: 1}, 410, "gone"},
		"the oldest":           {store.Position{N: 4}, 200, ""},
		"behind the newest":    {store.Position{N: 7}, 200, ""},
		"half of what is next": {store.Position{N: 7, Index: 1}, 422, "invalid"},
		"ahead":                {store.Position{N: 8}, 422, "invalid"},
		"far ahead":            {store.Position{N: 1 << 40}, 422, "invalid"},
	} {
		c := cursor(tc.at)
		for way, how := range map[string]struct {
			query   string
			headers []string
			field   string
		}{
			"page":          {"limit=1&cursor=" + c, nil, "cursor"},
			"long poll":     {"wait=60s&cursor=" + c, nil, "cursor"},
			"stream":        {"cursor=" + c, stream, "cursor"},
			"Last-Event-ID": {"", append(stream, "Last-Event-ID", c), "Last-Event-ID"},
		} {
			if tc.status == 200 && way == "long poll" {
				continue // it waits, as it should
			}
			status, p := r.ask(how.query, how.headers...)
			if status != tc.status || status != 200 && p.Type != "urn:channelhub:problem:"+tc.kind || status == 422 && p.Fields() != how.field {
				t.Errorf("%s, %s: %d %+v", name, way, status, p)
			}
		}
		if tc.status == 422 {
			if status := r.call(http.MethodPost, "/v1/events/ack", fmt.Sprintf(`{"cursor":%q}`, c), nil); status != 422 {
				t.Errorf("%s, ack: %d", name, status)
			}
		}
	}
}

// TestNothingAheadIsAcknowledged: what is yet to come is not taken for read
// because of a cursor from before a restored backup.
func TestNothingAheadIsAcknowledged(t *testing.T) {
	r := newRooms(t, nil)
	r.say("0", "t0")
	ahead, err := r.client.Cursor(t.Context(), []store.Position{{N: 3}})
	if err != nil {
		t.Fatal(err)
	}
	r.ask("cursor=" + ahead)
	r.call(http.MethodPost, "/v1/events/ack", fmt.Sprintf(`{"cursor":%q}`, ahead), nil)
	r.say("1", "t1")
	r.say("2", "t2")
	var page hubtest.Events
	if r.call(http.MethodGet, "/v1/events", "", &page); page.Texts() != "t0 t1 t2" {
		t.Errorf("the feed reads %q", page.Texts())
	}
}

// TestAMarkBelowTheFloor: a consumer whose acknowledgement lies below the
// oldest event begins there, on a page, a long poll and a stream.
func TestAMarkBelowTheFloor(t *testing.T) {
	r := newRooms(t, nil)
	for n := range 6 {
		r.say(fmt.Sprint(n), fmt.Sprint("t", n))
	}
	mark, err := r.client.Cursor(t.Context(), []store.Position{{N: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if status := r.call(http.MethodPost, "/v1/events/ack", fmt.Sprintf(`{"cursor":%q}`, mark), nil); status != 204 {
		t.Fatalf("ack: %d", status)
	}
	r.trim(3)
	for _, query := range []string{"", "?wait=60s"} {
		var page hubtest.Events
		if status := r.call(http.MethodGet, "/v1/events"+query, "", &page); status != 200 || page.Texts() != "t3 t4 t5" {
			t.Errorf("%q: %d %q", query, status, page.Texts())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer x")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var ev hubtest.Event
		if err := json.Unmarshal([]byte(data), &ev); err != nil || ev.Message.Content.Text != "t3" {
			t.Errorf("the stream begins with %s, %v", data, err)
		}
		return
	}
	t.Errorf("the stream told nothing: %v", lines.Err())
}
