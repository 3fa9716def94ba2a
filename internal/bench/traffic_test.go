package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What the generator writes by hand is HTTP, of the size that was asked for and
// rightly signed; ids are unique, and connections share no contact.
func TestInboundTraffic(t *testing.T) {
	s := settings{Connections: 3, Contacts: 8, Body: 700, Text: 300}
	ids, owners := map[string]bool{}, map[string]int{}
	for worker := range s.Connections {
		tr := newTraffic(s, "tag", worker)
		for range 10 {
			req, body := parse(t, tr.inbound())
			var m struct{ ID, From, Text string }
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			if len(body) != s.Body || len(m.Text) != s.Text || ids[m.ID] || !signed(body, req.Header.Get(signatureHeader)) {
				t.Errorf("%s: %d bytes with %d of text, signed %q", m.ID, len(body), len(m.Text), req.Header.Get(signatureHeader))
			}
			ids[m.ID] = true
			if owner, ok := owners[m.From]; ok && owner != worker {
				t.Errorf("connections %d and %d both write for %s", owner, worker, m.From)
			}
			owners[m.From] = worker
		}
	}
	if len(owners) != s.Contacts {
		t.Errorf("%d contacts wrote, want all %d", len(owners), s.Contacts)
	}
}

func TestOutboundTraffic(t *testing.T) {
	tr := newTraffic(settings{Connections: 3, Contacts: 8, Text: 300}, "tag", 2)
	for n := range 3 {
		req, body := parse(t, tr.outbound())
		var m struct {
			To      struct{ Address string }
			Content struct{ Text string }
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		worker, got, err := tagOf(m.Content.Text)
		if err != nil || worker != 2 || got != n+1 || len(m.Content.Text) != 300 || m.To.Address == "" || req.Header.Get("Idempotency-Key") == "" {
			t.Errorf("message %d of connection %d, %v: %s", got, worker, err, body)
		}
	}
}

func parse(t *testing.T, raw []byte) (*http.Request, []byte) {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	return req, body
}

func TestConnIsKept(t *testing.T) {
	var from []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from = append(from, r.RemoteAddr)
		body, _ := io.ReadAll(r.Body)
		if len(from) == 2 {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write(bytes.ToUpper(body))
	}))
	defer srv.Close()
	c, err := dial(t.Context(), strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for i, want := range []int{200, 418} {
		text := strings.Repeat("a", i)
		tr := &traffic{body: []byte(text)}
		status, body, err := c.do(tr.end(append(tr.head("/"), "Accept: text/plain"...)))
		if err != nil || status != want || string(body) != strings.ToUpper(text) {
			t.Errorf("answer %d: %d %q, %v", i, status, body, err)
		}
	}
	if len(from) != 2 || from[0] != from[1] {
		t.Errorf("requests came from %q", from)
	}
}

func TestConnRefusesOddAnswers(t *testing.T) {
	for _, answer := range []string{
		"", "SSH-2.0-x\r\n", "HTTP/1.1 abc Odd\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
	} {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Read(make([]byte, 64))
			_, _ = io.WriteString(far, answer)
			_ = far.Close()
		}()
		c := &conn{net: near, in: bufio.NewReader(near)}
		if status, body, err := c.do([]byte("GET / HTTP/1.1\r\n\r\n")); err == nil {
			t.Errorf("%q was taken as %d %q", answer, status, body)
		}
		c.close()
	}
}

// The baseline does what it is said to do, and so is a fair one.
func TestBare(t *testing.T) {
	b, err := openBare(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.db.Close()
	req, body := parse(t, newTraffic(settings{Connections: 1, Contacts: 1, Body: 700, Text: 300}, "tag", 0).inbound())
	post := func(signature string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, inboundPath, bytes.NewReader(body))
		r.Header.Set(signatureHeader, signature)
		w := httptest.NewRecorder()
		b.receive(w, r)
		return w.Code
	}
	if got := post("sha256=00"); got != http.StatusUnauthorized {
		t.Errorf("a wrong signature: %d", got)
	}
	if got := post(req.Header.Get(signatureHeader)); got != http.StatusOK {
		t.Errorf("a message: %d", got)
	}
	it, err := b.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	rows := 0
	for it.First(); it.Valid(); it.Next() {
		rows++
		if plain, err := b.key.Decrypt(it.Value(), it.Key()); err != nil || !bytes.Equal(plain, body) {
			t.Errorf("the row holds %q, %v", plain, err)
		}
	}
	if rows != 1 {
		t.Errorf("%d rows, want that of the signed message alone", rows)
	}
}
