package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

func TestEvents(t *testing.T) {
	h := hubtest.New(t, nil)
	if got := h.Events(hubtest.Desk, ""); got.Data == nil || len(got.Data) != 0 || got.NextCursor == "" {
		t.Errorf("an empty feed: %+v", got)
	}
	for n := range 5 {
		h.Say("ada", fmt.Sprint(n), fmt.Sprint("t", n))
	}
	first := h.Events(hubtest.Desk, "limit=2")
	if first.Texts() != "t0 t1" {
		t.Errorf("first page %q", first.Texts())
	}
	if again := h.Events(hubtest.Desk, "limit=2"); again.Texts() != "t0 t1" || again.NextCursor != first.NextCursor {
		t.Errorf("without a cursor nothing was acknowledged, yet it reads %q", again.Texts())
	}
	second := h.Events(hubtest.Desk, "limit=2&cursor="+first.NextCursor)
	if second.Texts() != "t2 t3" {
		t.Errorf("second page %q", second.Texts())
	}
	if got := h.Events(hubtest.Desk, ""); got.Texts() != "t2 t3 t4" {
		t.Errorf("behind the acknowledged: %q", got.Texts())
	}
	if got := h.Events(hubtest.Archive, ""); got.Texts() != "t0 t1 t2 t3 t4" {
		t.Errorf("another consumer reads %q", got.Texts())
	}
	last := h.Events(hubtest.Desk, "cursor="+second.NextCursor)
	if last.Texts() != "t4" {
		t.Errorf("last page %q", last.Texts())
	}
	if got := h.Events(hubtest.Desk, "cursor="+last.NextCursor); len(got.Data) != 0 || got.NextCursor != last.NextCursor {
		t.Errorf("behind the end: %+v", got)
	}

	// An older cursor reads again and takes nothing back.
	if got := h.Events(hubtest.Desk, "limit=1&cursor="+first.NextCursor); got.Texts() != "t2" {
		t.Errorf("an older cursor reads %q", got.Texts())
	}
	if got := h.Events(hubtest.Desk, ""); len(got.Data) != 0 {
		t.Errorf("behind an older cursor: %q", got.Texts())
	}
	ack := h.Call(hubtest.Desk, http.MethodPost, "/v1/events/ack", map[string]string{"cursor": first.NextCursor})
	if got := h.Events(hubtest.Desk, ""); ack.Status != 204 || len(got.Data) != 0 {
		t.Errorf("an older acknowledgement: %d, then %q", ack.Status, got.Texts())
	}
	h.Restart()
	if got := h.Events(hubtest.Desk, ""); len(got.Data) != 0 {
		t.Errorf("behind a restart: %q", got.Texts())
	}
	if got := h.Events(hubtest.Archive, ""); len(got.Data) != 5 {
		t.Errorf("a consumer that never acknowledged, behind a restart: %q", got.Texts())
	}
}

func TestEventParameters(t *testing.T) {
	h := hubtest.New(t, nil)
	h.Say("ada", "1", "t1")
	good := h.Events(hubtest.Desk, "").NextCursor
	flipped := "A" + good[1:]
	if good[0] == 'A' {
		flipped = "B" + good[1:]
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=501": "limit", "limit=x": "limit",
		"wait=61s": "wait", "wait=-1s": "wait", "wait=x": "wait",
		"cursor=nonsense": "cursor", "cursor=" + flipped: "cursor", "cursor=" + good + "A": "cursor", "cursor=" + strings.Repeat("A", 5000): "cursor",
	} {
		a := h.Call(hubtest.Desk, http.MethodGet, "/v1/events?"+query, nil)
		if a.Status != 422 || a.Problem().Fields() != field {
			t.Errorf("%.40s: %d %s", query, a.Status, a.Body)
		}
	}
	for _, body := range []string{`{}`, `{"cursor":"nonsense"}`} {
		if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/events/ack", body); a.Status != 422 || a.Problem().Fields() != "cursor" {
			t.Errorf("ack %s: %d %s", body, a.Status, a.Body)
		}
	}
}

// TestForeignCursors: a cursor of another client's feed is none of this one's,
// however it is handed in (I8).
func TestForeignCursors(t *testing.T) {
	h := hubtest.New(t, nil)
	h.Say("ada", "1", "t1")
	foreign := h.Events(hubtest.Desk, "").NextCursor
	stream := []string{"Accept", "text/event-stream"}
	for name, a := range map[string]hubtest.Answer{
		"page":          h.Call(hubtest.Other, http.MethodGet, "/v1/events?cursor="+foreign, nil),
		"long poll":     h.Call(hubtest.Other, http.MethodGet, "/v1/events?wait=30s&cursor="+foreign, nil),
		"stream":        h.Call(hubtest.Other, http.MethodGet, "/v1/events?cursor="+foreign, nil, stream...),
		"Last-Event-ID": h.Call(hubtest.Other, http.MethodGet, "/v1/events", nil, append(stream, "Last-Event-ID", foreign)...),
		"ack":           h.Call(hubtest.Other, http.MethodPost, "/v1/events/ack", map[string]string{"cursor": foreign}),
	} {
		field := "cursor"
		if name == "Last-Event-ID" {
			field = name
		}
		if a.Status != 422 || a.Problem().Fields() != field || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

// TestStatusEvents: each move of an answer is one event, with what became of it
// and not what was said.
func TestStatusEvents(t *testing.T) {
	h := hubtest.New(t, nil)
	m := h.Send("ada", "hello")
	h.Await(m.ID, "sent")
	h.Receipt("delivered", hubtest.ProviderID(m.ID))
	h.Receipt("delivered", hubtest.ProviderID(m.ID))
	h.Receipt("read", hubtest.ProviderID(m.ID))
	var told []string
	ids := map[string]bool{}
	for _, ev := range h.Events(hubtest.Desk, "").Data {
		if ev.Type != "message.status" || ev.Message.ID != m.ID || ev.Message.Content.Text != "" || ev.ConversationID != m.ConversationID {
			t.Errorf("event %+v", ev)
		}
		told = append(told, ev.Message.Status)
		ids[ev.ID] = true
	}
	if got := strings.Join(told, " "); got != "sent delivered read" || len(ids) != 3 {
		t.Errorf("told %q under %d ids", got, len(ids))
	}
	again := h.Events(hubtest.Desk, "").Data
	for _, ev := range again {
		if !ids[ev.ID] {
			t.Errorf("a second reading gives the new id %s", ev.ID)
		}
	}
}

// TestStatusEventsKeepTheirSession: what was told in one session is not told as
// of the next one.
func TestStatusEventsKeepTheirSession(t *testing.T) {
	h := hubtest.New(t, nil)
	h.Say("ada", "1", "hello")
	m := h.Send("ada", "hello yourself")
	h.Await(m.ID, "sent")
	sessions := func() (heard []string, told string) {
		for _, ev := range h.Events(hubtest.Desk, "").Data {
			switch ev.Type {
			case "message.received":
				heard = append(heard, ev.SessionID)
			case "message.status":
				told = ev.SessionID
			}
		}
		return heard, told
	}
	if heard, told := sessions(); len(heard) != 1 || told != heard[0] || told == "" {
		t.Fatalf("the answer to a message of %v is of %q", heard, told)
	}
	if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/conversations/"+m.ConversationID+"/end", nil); a.Status != http.StatusNoContent {
		t.Fatalf("end: %d %s", a.Status, a.Body)
	}
	h.Say("ada", "2", "hello again")
	if heard, told := sessions(); len(heard) != 2 || heard[0] == heard[1] || told != "" {
		t.Errorf("with sessions %v the answer is of %q, want none", heard, told)
	}
}

// TestLongPoll: a reader that waits is woken by the event.
func TestLongPoll(t *testing.T) {
	h := hubtest.New(t, nil)
	cursor := h.Events(hubtest.Desk, "").NextCursor
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	defer cancel()
	got := make(chan hubtest.Events, 1)
	req := h.Request(ctx, hubtest.Desk, http.MethodGet, "/v1/events?wait=60s&cursor="+cursor, nil)
	go func() {
		var page hubtest.Events
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = json.NewDecoder(resp.Body).Decode(&page)
			_ = resp.Body.Close()
		}
		got <- page
	}()
	h.Say("ada", "1", "wake")
	if page := <-got; page.Texts() != "wake" {
		t.Errorf("the reader got %+v, %v", page, ctx.Err())
	}
	if page := h.Events(hubtest.Desk, "wait=1ms&cursor="+h.Events(hubtest.Desk, "").NextCursor); len(page.Data) != 0 || page.NextCursor == "" {
		t.Errorf("nothing came: %+v", page)
	}
}

// sse is an event stream being read.
type sse struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
	resp  *http.Response
}

func openStream(t *testing.T, h *hubtest.Hub, headers ...string) *sse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
	req := h.Request(ctx, hubtest.Desk, http.MethodGet, "/v1/events", nil, append([]string{"Accept", "text/event-stream"}, headers...)...)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
	})
	return &sse{t: t, lines: bufio.NewScanner(resp.Body), resp: resp, close: cancel}
}

// next returns the id and the text of the next event.
func (s *sse) next() (id, text string) {
	s.t.Helper()
	kind := ""
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			var ev hubtest.Event
			if err := json.Unmarshal([]byte(value), &ev); err != nil || ev.Type != kind {
				s.t.Fatalf("event %q: %v", value, err)
			}
			return id, ev.Message.Content.Text
		}
	}
	s.t.Fatalf("the stream ended: %v", s.lines.Err())
	return "", ""
}

func TestStream(t *testing.T) {
	h := hubtest.New(t, nil)
	h.Say("ada", "0", "t0")
	s := openStream(t, h)
	if ct := s.resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("Content-Type %q", ct)
	}
	_, text := s.next()
	h.Say("ada", "1", "t1")
	id1, text1 := s.next()
	h.Say("ada", "2", "t2")
	id2, text2 := s.next()
	if text+text1+text2 != "t0t1t2" {
		t.Errorf("the stream told %s, %s, %s", text, text1, text2)
	}
	s.close()

	// The last id resumes, and acknowledges nothing.
	if _, text := openStream(t, h, "Last-Event-ID", id1).next(); text != "t2" {
		t.Errorf("resumed at %q", text)
	}
	if got := h.Events(hubtest.Desk, ""); got.Texts() != "t0 t1 t2" {
		t.Errorf("reading a stream acknowledged: %q is left", got.Texts())
	}
	if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/events/ack", map[string]string{"cursor": id2}); a.Status != 204 {
		t.Errorf("ack of a stream's id: %d %s", a.Status, a.Body)
	}
	h.Say("ada", "3", "t3")
	if _, text := openStream(t, h).next(); text != "t3" {
		t.Errorf("behind the acknowledgement the stream begins at %q", text)
	}
	a := h.Call(hubtest.Desk, http.MethodGet, "/v1/events", nil, "Accept", "text/event-stream", "Last-Event-ID", "nonsense")
	if a.Status != 422 {
		t.Errorf("a made-up id: %d %s", a.Status, a.Body)
	}
}

// TestTooManyReaders: a token has a bounded number of readers that wait, and
// gets its places back.
func TestTooManyReaders(t *testing.T) {
	h := hubtest.New(t, nil)
	streams := make([]*sse, 16)
	for i := range streams {
		if streams[i] = openStream(t, h); streams[i].resp.StatusCode != 200 {
			t.Fatalf("reader %d: %d", i, streams[i].resp.StatusCode)
		}
	}
	for _, c := range [][]string{{"Accept", "text/event-stream"}, nil} {
		a := h.Call(hubtest.Desk, http.MethodGet, "/v1/events?wait=1s", nil, c...)
		if a.Status != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("one more: %d, Retry-After %q, %s", a.Status, a.Header.Get("Retry-After"), a.Body)
		}
	}
	if a := h.Call(hubtest.Archive, http.MethodGet, "/v1/events?wait=1ms", nil); a.Status != 200 {
		t.Errorf("another token: %d %s", a.Status, a.Body)
	}
	if a := h.Call(hubtest.Desk, http.MethodGet, "/v1/events", nil); a.Status != 200 {
		t.Errorf("without waiting: %d %s", a.Status, a.Body)
	}
	streams[0].close()
	h.Until("the place to be free", func() error {
		if a := h.Call(hubtest.Desk, http.MethodGet, "/v1/events?wait=1ms", nil); a.Status != 200 {
			return errors.New(string(a.Body))
		}
		return nil
	})
}
