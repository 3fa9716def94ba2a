package media_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/awslocal"
)

var text = []byte(strings.Repeat("the quick brown fox says hello\n", 9000)) // several segments

func TestWhatIsTaken(t *testing.T) {
	w := newWorld(t, nil, nil)
	for name, tc := range map[string]struct {
		body string
		want string // the name, or empty
	}{
		"a.txt":            {"hello there", "a.txt"},
		"../../etc/x.exe":  {"hello there", "x.exe.txt"},
		"photo\u202egpj.a": {"%PDF-1.7\n%âãÏÓ\n", "photogpj.a.pdf"},
		"":                 {"%PDF-1.7\n%âãÏÓ\n", "file.pdf"},
		"page.txt":         {"<!DOCTYPE html><html><script>alert(1)</script></html>", ""},
		"vector.png":       {`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>`, ""},
		"run.txt":          {"#!/bin/sh\nrm -rf /\n", ""},
		"run.pdf":          {"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff", ""},
		"elf":              {"\x7fELF\x02\x01\x01\x00", ""},
		"empty.txt":        {"", ""},
		"broken.png":       {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ""},
	} {
		a, err := w.tryTake(name, []byte(tc.body))
		switch {
		case tc.want == "" && !model.Is(err, model.Invalid):
			t.Errorf("%q: got %s, %v; want invalid", name, a.Mime, err)
		case tc.want != "" && (err != nil || a.Name != tc.want):
			t.Errorf("%q: got %q, %v; want %q", name, a.Name, err, tc.want)
		}
	}
}

func TestAccountRules(t *testing.T) {
	w := newWorld(t, nil, nil)
	for name, tc := range map[string]struct {
		rules media.Rules
		code  model.Code
	}{
		"fits":         {media.Rules{MaxSize: int64(len(text)), Allow: []string{"text/*"}}, ""},
		"one too much": {media.Rules{MaxSize: int64(len(text)) - 1}, model.TooLarge},
		"another type": {media.Rules{MaxSize: 1 << 20, Allow: []string{"image/*"}}, model.Invalid},
	} {
		_, err := w.media.Take(t.Context(), w.client, media.File{Name: "a.txt", Body: bytes.NewReader(text), Rules: tc.rules})
		if model.CodeOf(err) != tc.code {
			t.Errorf("%s: got %v, want %q", name, err, tc.code)
		}
	}
	// What was refused half-way has left nothing.
	if n := len(w.files()); n != 1 {
		t.Errorf("%d files lie in the store, want the one that fits", n)
	}
}

// files lists what lies under the blob directory.
func (w *world) files() []string {
	w.t.Helper()
	var out []string
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestImagesLoseWhatIsNoPicture(t *testing.T) {
	for _, pass := range []bool{false, true} {
		w := newWorld(t, nil, func(o *media.Options) { o.PassImages = pass })
		a := w.take("me.jpg", photo(t, 40, 20, 6))
		body, err := w.media.Open(t.Context(), acme, a, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil || int64(len(got)) != a.Size {
			t.Fatalf("read %d bytes of %d, %v", len(got), a.Size, err)
		}
		if has := bytes.Contains(got, []byte("GPS 52.52N")); has != pass {
			t.Errorf("pass %v: the place is in the picture: %v", pass, has)
		}
		size, err := jpeg.DecodeConfig(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if turned := size.Width == 20 && size.Height == 40; turned == pass {
			t.Errorf("pass %v: the picture is %d x %d", pass, size.Width, size.Height)
		}
	}
}

func TestBombsAreNotUnfolded(t *testing.T) {
	w := newWorld(t, nil, nil)
	b := photo(t, 8, 8, 1)
	i := bytes.Index(b, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(b[i+5:], 60000)
	binary.BigEndian.PutUint16(b[i+7:], 60000)
	if _, err := w.tryTake("bomb.jpg", b); !model.Is(err, model.Invalid) {
		t.Errorf("a picture of 3,600,000,000 pixels: %v, want invalid", err)
	}
}

func TestBytesLieSealed(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.take("a.txt", text)
	for _, path := range w.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("quick brown")) {
			t.Error("the bytes lie in clear (I6)")
		}
	}
}

func TestEndsToTheInstant(t *testing.T) {
	w := newWorld(t, nil, nil)
	began := w.at
	a := w.take("a.txt", text)
	w.at = began.Add(24*time.Hour - time.Second)
	path := w.linkTo(w.client, a)
	if rec := w.follow(http.MethodGet, path); rec.Code != 200 || !bytes.Equal(rec.Body.Bytes(), text) {
		t.Errorf("at 23:59:59: %d, %d bytes", rec.Code, rec.Body.Len())
	}
	w.at = began.Add(24 * time.Hour)
	if rec := w.follow(http.MethodGet, path); rec.Code != 410 {
		t.Errorf("at 24:00:00: %d, want 410", rec.Code)
	}
	if _, err := w.client.Attachment(t.Context(), a.ID); !model.Is(err, model.NotFound) {
		t.Errorf("at 24:00:00 the row reads: %v, want not found", err)
	}
	// The sweeper removes the bytes, and may be repeated.
	for range 2 {
		err := w.client.Due(t.Context(), w.at, func(d store.Due) error { return w.media.Remove(t.Context(), w.client, d) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if left := w.files(); len(left) > 0 {
		t.Errorf("%d files are left behind their end", len(left))
	}
}

func TestLinksEndToTheInstant(t *testing.T) {
	w := newWorld(t, nil, nil)
	began := w.at
	path := w.linkTo(w.client, w.take("a.txt", text))
	for after, want := range map[time.Duration]int{
		0: 200, 59*time.Minute + 59*time.Second: 200, time.Hour: 410, time.Hour + time.Second: 410,
	} {
		w.at = began.Add(after)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if rec := w.follow(method, path); rec.Code != want {
				t.Errorf("%s after %s: %d, want %d", method, after, rec.Code, want)
			}
		}
	}
}

func TestLinksHandOutNothingThatRuns(t *testing.T) {
	w := newWorld(t, nil, nil)
	path := w.linkTo(w.client, w.take("a.txt", text))
	rec := w.follow(http.MethodGet, path, "Range", "bytes=100000-100009")
	if rec.Code != 206 || rec.Body.String() != string(text[100000:100010]) {
		t.Errorf("range: %d, %q", rec.Code, rec.Body.String())
	}
	for name, want := range map[string]string{
		"Content-Disposition": `attachment; filename=a.txt`, "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; sandbox", "Referrer-Policy": "no-referrer",
		"Cache-Control": "private, no-store", "Content-Type": "text/plain",
	} {
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestLinksDoNotCross(t *testing.T) {
	w := newWorld(t, nil, nil)
	a := w.take("a.txt", []byte("of acme"))
	other := w.of(globex)
	b, err := w.media.Take(t.Context(), other, media.File{Name: "b.txt", Body: strings.NewReader("of globex"), Rules: media.Rules{MaxSize: 100}})
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := w.linkTo(w.client, a), w.linkTo(other, b)
	for path, want := range map[string]string{mine: "of acme", theirs: "of globex"} {
		if rec := w.follow(http.MethodGet, path); rec.Body.String() != want {
			t.Errorf("got %q, want %q", rec.Body.String(), want)
		}
	}
	// A token for a file of another client finds nothing.
	crossed := w.linkTo(other, a)
	if rec := w.follow(http.MethodGet, crossed); rec.Code != 410 {
		t.Errorf("another client's file: %d, want 410", rec.Code)
	}
	// Parts of two tokens make none, and neither does anything else.
	half := len(mine) / 2
	for _, path := range []string{mine[:half] + theirs[half:], mine[:len(mine)-1], mine + "A", "/a/x", "/a/" + strings.Repeat("A", 127)} {
		if rec := w.follow(http.MethodGet, path); rec.Code != 404 {
			t.Errorf("a guess: %d, want 404", rec.Code)
		}
	}
}

func TestAFileIsTakenOnce(t *testing.T) {
	w := newWorld(t, nil, nil)
	a := w.take("a.txt", text)
	dir, err := w.client.Resolve(t.Context(), site, []model.Address{{Kind: model.Phone, Value: "15550001"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	by := media.Taking{Account: site, Conversation: dir.Conversation, SealKey: dir.Key(), Message: message(dir.Conversation)}
	for range 2 {
		if _, err := w.media.Claim(t.Context(), w.client, a.ID, by); err != nil {
			t.Fatalf("take: %v", err)
		}
	}
	second := by
	second.Message = message(dir.Conversation)
	if _, err := w.media.Claim(t.Context(), w.client, a.ID, second); !model.Is(err, model.Conflicting) {
		t.Errorf("take by another message: %v, want conflict", err)
	}
	path := w.linkTo(w.client, a)
	if rec := w.follow(http.MethodGet, path); rec.Code != 200 {
		t.Errorf("before the erasure: %d", rec.Code)
	}
	// What erasure does to the key, and a process that has not seen it.
	if _, err := w.rows.Table.For(acme).Commit(t.Context(), table.Delete("k/"+string(dir.Contact), "key")); err != nil {
		t.Fatal(err)
	}
	w.open(w.rows.Store())
	if rec := w.follow(http.MethodGet, path); rec.Code != 410 {
		t.Errorf("after the contact's erasure: %d, want 410", rec.Code)
	}
}

func message(conv model.ConversationID) model.MessageID {
	return model.MessagePlace{Conversation: conv, Direction: model.Outbound, Key: model.NewRandom16()}.ID()
}

func TestS3HandsOutPlainFiles(t *testing.T) {
	server := awslocal.S3(t)
	w := newWorld(t, onS3(server), nil)
	began := w.at
	server.SetClock(t, began)
	path := w.linkTo(w.client, w.take("a.txt", text))
	rec := w.follow(http.MethodGet, path)
	if rec.Code != http.StatusFound {
		t.Fatalf("link: %d, want 302", rec.Code)
	}
	signed := rec.Header().Get("Location")
	for after, want := range map[time.Duration]int{0: 200, 15 * time.Minute: 200, 15*time.Minute + time.Second: 403} {
		server.SetClock(t, began.Add(after))
		if status, body := get(t, signed); status != want || want == 200 && body != string(text) {
			t.Errorf("signed URL after %s: %d, want %d", after, status, want)
		}
	}
	// What a link has left to live bounds the URL too.
	w.at = began.Add(55 * time.Minute)
	server.SetClock(t, time.Time{}) // the driver signs its own calls by the real time
	signed = w.follow(http.MethodGet, path).Header().Get("Location")
	server.SetClock(t, began.Add(time.Hour+time.Second))
	if status, _ := get(t, signed); status != 403 {
		t.Errorf("signed 5 minutes before the link's end, and after it: %d, want 403", status)
	}
	server.SetClock(t, time.Time{})
	if rec := w.follow(http.MethodHead, w.linkTo(w.client, w.take("b.txt", text))); rec.Code != 200 || rec.Header().Get("Content-Length") != fmt.Sprint(len(text)) {
		t.Errorf("HEAD: %d, %s bytes", rec.Code, rec.Header().Get("Content-Length"))
	}
}

func TestS3SealedAlways(t *testing.T) {
	server := awslocal.S3(t)
	w := newWorld(t, onS3(server), func(o *media.Options) { o.SealAlways = true })
	if rec := w.follow(http.MethodGet, w.linkTo(w.client, w.take("a.txt", text))); rec.Code != 200 || !bytes.Equal(rec.Body.Bytes(), text) {
		t.Errorf("link: %d, %d bytes; want the hub's own answer", rec.Code, rec.Body.Len())
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// scanner is a TCP server that speaks INSTREAM, as clamd does.
func scanner(t *testing.T, answer func(body []byte) string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				command := make([]byte, len("zINSTREAM\x00"))
				if _, err := io.ReadFull(conn, command); err != nil || string(command) != "zINSTREAM\x00" {
					return
				}
				var body []byte
				for {
					var n uint32
					if binary.Read(conn, binary.BigEndian, &n) != nil {
						return
					}
					if n == 0 {
						break
					}
					chunk := make([]byte, n)
					if _, err := io.ReadFull(conn, chunk); err != nil {
						return
					}
					body = append(body, chunk...)
				}
				_, _ = io.WriteString(conn, answer(body)+"\x00")
			}()
		}
	}()
	return "tcp://" + l.Addr().String()
}

func TestScanning(t *testing.T) {
	sick := false
	w := newWorld(t, nil, func(o *media.Options) {
		o.Clamd = scanner(t, func(body []byte) string {
			switch {
			case sick:
				return "INSTREAM size limit exceeded. ERROR"
			case bytes.Contains(body, []byte("EICAR")):
				return "stream: Eicar-Signature FOUND"
			case !bytes.Equal(body, text):
				return "stream: not what was sent FOUND"
			}
			return "stream: OK"
		})
	})
	if a := w.take("a.txt", text); a.State != model.AttachmentReady {
		t.Errorf("clean: %s", a.State)
	}
	infected := w.take("a.txt", []byte("EICAR test"))
	if infected.State != model.AttachmentRefused {
		t.Errorf("infected: %s", infected.State)
	}
	if n := len(w.files()); n != 1 {
		t.Errorf("%d files are kept, want the clean one", n)
	}
	sick = true
	waits := w.take("a.txt", text)
	if waits.State != model.AttachmentPending {
		t.Errorf("without a verdict: %s, want pending", waits.State)
	}
	if rec := w.follow(http.MethodGet, w.linkTo(w.client, waits)); rec.Code != 410 {
		t.Errorf("a file without a verdict: %d", rec.Code)
	}
	sick = false
	w.at = w.at.Add(time.Minute)
	w.media.Pass(t.Context())
	if now, err := w.client.Attachment(t.Context(), waits.ID); err != nil || now.State != model.AttachmentReady {
		t.Errorf("scanned again: %s, %v", now.State, err)
	}
}

// TestFetching: what a customer sent is fetched by the workers, tried again
// after a failure, told once, and belongs to the contact from the start.
func TestFetching(t *testing.T) {
	w := newWorld(t, nil, nil)
	dir, err := w.client.Resolve(t.Context(), site, []model.Address{{Kind: model.Phone, Value: "15550001"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	e := store.StoredEvent{
		Conversation: dir.Conversation, Key: model.NewRandom16(), Account: site, SealKey: dir.Key(), Type: model.MessageReceived,
		Received: w.at, Committed: w.at, ContentUntil: w.at.Add(time.Hour), Expires: w.at.Add(48 * time.Hour),
		Event: model.Event{Message: &model.Message{Attachments: []model.Attachment{
			{ID: model.NewAttachmentID(), Name: "a.txt", Kind: model.File, State: model.AttachmentPending},
		}}},
		FetchRefs: [][]byte{[]byte("media id")},
	}
	if _, _, err := w.client.PutEvent(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	log := w.client.Feed(dir.Conversation)
	if _, err := log.Append(t.Context(), store.Record{Kind: store.EventRecord, Conversation: e.Conversation, Key: e.Key, Type: e.Type, Account: site, Files: 1}, 0); err != nil {
		t.Fatal(err)
	}
	w.channel.body = func() (io.Reader, error) { return nil, model.Errorf(model.Unavailable, "fetch", "away") }
	w.media.Pass(t.Context())
	w.channel.body = func() (io.Reader, error) { return bytes.NewReader(text), nil }
	w.media.Pass(t.Context()) // too early
	id := e.Event.Message.Attachments[0].ID
	if _, err := w.client.Attachment(t.Context(), id); !model.Is(err, model.NotFound) || w.channel.asks.Load() != 1 {
		t.Fatalf("after a failure: %v, %d tries", err, w.channel.asks.Load())
	}
	w.at = w.at.Add(time.Minute)
	for range 3 {
		w.media.Pass(t.Context())
	}
	a, err := w.client.Attachment(t.Context(), id)
	if err != nil || a.State != model.AttachmentReady || a.SealKey != seal.ContactKey(dir.Contact) || a.Message == "" {
		t.Fatalf("fetched: %+v, %v", a, err)
	}
	rows, err := log.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Kind == store.AttachmentRecord {
				told++
			}
		}
	}
	if told != 1 || w.channel.asks.Load() != 2 {
		t.Errorf("told %d times after %d tries, want once after two", told, w.channel.asks.Load())
	}
}
