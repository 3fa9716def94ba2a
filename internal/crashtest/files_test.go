package crashtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/internal/failpoint"
	"github.com/channelhub/channelhub/internal/visitor"
)

// shop is the site of the visitors in these stories.
const shop = "https://shop.example"

// moody is the connector with files to fetch, built once.
var moody = sync.OnceValues(func() (string, error) {
	program := filepath.Join(bin, "test-plugin-moody")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "../../sdk/sdktest/internal/moody/moodyplugin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the connector with files: %w\n%s", err, out)
	}
	return program, os.Chmod(program, 0o755) //nolint:gosec // a program
})

// scanner speaks clamd's INSTREAM. While it is away, nothing has a verdict.
type scanner struct {
	address string
	away    atomic.Bool
}

func newScanner(t *testing.T) *scanner {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &scanner{address: "tcp://" + l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.answer(conn)
		}
	}()
	return s
}

func (s *scanner) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if _, err := io.CopyN(io.Discard, conn, int64(len("zINSTREAM\x00"))); err != nil {
		return
	}
	for {
		var n uint32
		if binary.Read(conn, binary.BigEndian, &n) != nil {
			return
		}
		if n == 0 {
			break
		}
		if _, err := io.CopyN(io.Discard, conn, int64(n)); err != nil {
			return
		}
	}
	verdict := "stream: OK\x00"
	if s.away.Load() {
		verdict = "not today ERROR\x00"
	}
	_, _ = io.WriteString(conn, verdict)
}

// newFileHub is a hub with a web chat that takes files, a connector with files
// to fetch, and a scanner.
func newFileHub(t *testing.T) (*hub, *scanner) {
	t.Helper()
	program, err := moody()
	if err != nil {
		t.Fatal(err)
	}
	h, s := newHub(t, newProvider(t).URL), newScanner(t)
	config := filepath.Join(h.dir, "hub.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf("plugins: {moody: {path: %s}, webchat: {path: %s}, echo:", program, filepath.Join(bin, "hub-plugin-webchat"))
	text = bytes.Replace(text, []byte("plugins: {echo:"), []byte(more), 1)
	text = fmt.Appendf(text, `      acme-chat: {plugin: webchat, config: {allowed_origins: [%q], attachments: true}}
      acme-moody: {plugin: moody, config: {address: "+15550001"}, secrets: {token: a secret to give away}}
media: {clamd: %q}
`, shop, s.address)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return h, s
}

// TestCrashFiles kills the hub at each place of a file's way, in and out: what
// was acknowledged is there, whole, and told once.
func TestCrashFiles(t *testing.T) {
	stories := map[string]func(*testing.T, *hub, *scanner){"sent": sendFiles, "fetched": fetchFile}
	ways := map[string][]string{
		"sent":    {"media.after_due", "media.after_blob", "media.after_row", "media.after_hold", "media.after_tasks", "media.after_record", "outbound.after_take"},
		"fetched": {"media.after_due", "media.after_blob", "media.after_row", "media.after_tasks", "media.after_record"},
	}
	// Those of a file's end are hit a day later: package media kills it there,
	// under a clock of its own.
	known := []string{"media.after_discard", "media.after_untaken"}
	for _, sites := range ways {
		known = append(known, sites...)
	}
	for _, site := range failpoint.Names() {
		if strings.HasPrefix(site, "media.") && !slices.Contains(known, site) {
			t.Errorf("no story leads through %s", site)
		}
	}
	for story, sites := range ways {
		for _, site := range sites {
			t.Run(story+"/"+site, func(t *testing.T) {
				t.Parallel()
				h, s := newFileHub(t)
				h.start(site + "=kill")
				stories[story](t, h, s)
				if h.starts < 2 {
					t.Errorf("the hub was never killed: no way of this story leads through %s", site)
				}
			})
		}
	}
}

// file is what the tests read of an attachment.
type file struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	URL   string `json:"url"`
}

// told are the events of the conversations of one account, each once, with
// their files.
func (h *hub) told(ctx context.Context, account string) (received, updated []file, err error) {
	var page struct {
		Data []struct {
			ID      string `json:"id"`
			Type    string `json:"type"`
			Account string `json:"account_id"`
			Message struct {
				Attachments []file `json:"attachments"`
			} `json:"message"`
		} `json:"data"`
	}
	// Never acknowledged: every look is from the start.
	if err := h.call(ctx, archive, http.MethodGet, "/v1/events?limit=200", "", nil, &page, http.StatusOK); err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, ev := range page.Data {
		if ev.Account != account || seen[ev.ID] {
			continue
		}
		seen[ev.ID] = true
		switch ev.Type {
		case "message.received":
			received = append(received, ev.Message.Attachments...)
		case "attachment.updated":
			updated = append(updated, ev.Message.Attachments...)
		}
	}
	return received, updated, nil
}

// ready waits until one file was received and told to be ready, and returns its
// bytes.
func (h *hub) ready(account string) (file, []byte) {
	h.t.Helper()
	var received, updated []file
	h.eventually("be told of the file", func(ctx context.Context) (err error) {
		received, updated, err = h.told(ctx, account)
		if err == nil && (len(received) == 0 || len(updated) == 0) {
			time.Sleep(100 * time.Millisecond) // a poll, not an assertion
			err = fmt.Errorf("%d received, %d updated", len(received), len(updated))
		}
		return err
	})
	if len(received) != 1 || len(updated) != 1 || updated[0].ID != received[0].ID || updated[0].State != "ready" {
		h.t.Fatalf("I3: received %+v, updated %+v, want one file, told once", received, updated)
	}
	var body []byte
	h.eventually("fetch the file", func(ctx context.Context) error {
		var f file
		err := h.call(ctx, desk, http.MethodGet, "/v1/attachments/"+received[0].ID, "", nil, &f, http.StatusOK)
		if err == nil {
			body, err = get(ctx, f.URL, "")
		}
		return err
	})
	return received[0], body
}

func get(ctx context.Context, url, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return do(req, http.StatusOK)
}

// fetchFile: a customer sends a file by a channel, and the hub fetches it from
// the connector's process.
func fetchFile(t *testing.T, h *hub, _ *scanner) {
	h.eventually("receive a message with a file", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url("/in/moody/acme-moody"), strings.NewReader("file"))
		if err != nil {
			return err
		}
		_, err = do(req, http.StatusOK)
		return err
	})
	f, body := h.ready("acme-moody")
	if f.Name != "moody.txt" || !bytes.Equal(body, bytes.Repeat([]byte("moody"), 100_000)) {
		t.Errorf("fetched %q with %d bytes", f.Name, len(body))
	}
}

// guest is a visitor who comes back after every fall.
type guest struct {
	h     *hub
	token string
}

// talk opens a socket for as long as do takes.
func (g *guest) talk(ctx context.Context, do func(*visitor.Visitor) error) error {
	v, err := visitor.Arrive(ctx, visitor.Chat{Hub: g.h.url(""), Account: "acme-chat", Origin: shop}, g.token)
	if err != nil {
		return err
	}
	defer v.Leave()
	g.token = v.Token
	return do(v)
}

// say sends a message until it is acknowledged.
func (g *guest) say(message map[string]any) {
	g.h.t.Helper()
	g.h.eventually("say something", func(ctx context.Context) error {
		return g.talk(ctx, func(v *visitor.Visitor) error {
			_, err := v.Ask(ctx, message)
			return err
		})
	})
}

// shown is the thread as a reload shows it.
func (g *guest) shown(ctx context.Context) (thread []visitor.Message, err error) {
	err = g.talk(ctx, func(v *visitor.Visitor) error {
		thread = v.Thread
		return nil
	})
	return thread, err
}

// upload sends bytes until they are taken, and returns the file.
func (h *hub) upload(path, origin string, token func() string, body string) file {
	h.t.Helper()
	var f file
	h.eventually("upload a file", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url(path), strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token())
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		answer, err := do(req, http.StatusCreated)
		if err == nil {
			err = json.Unmarshal(answer, &f)
		}
		return err
	})
	return f
}

// sendFiles: a visitor sends a file whose verdict takes a while, and the client
// application answers with another.
func sendFiles(t *testing.T, h *hub, s *scanner) {
	s.away.Store(true)
	v := &guest{h: h}
	v.say(map[string]any{"type": "message", "id": "first", "text": "Hello"})
	mine := h.upload("/chat/acme-chat/upload?name=mine.txt", shop, func() string { return v.token }, "from the visitor")
	if mine.State != "pending" {
		t.Errorf("without a verdict the file is %s", mine.State)
	}
	v.say(map[string]any{"type": "message", "id": "second", "text": "", "attachments": []map[string]string{{"id": mine.ID}}})
	s.away.Store(false)
	f, body := h.ready("acme-chat")
	if f.ID != mine.ID || string(body) != "from the visitor" {
		t.Errorf("the client application reads %+v with %q", f, body)
	}
	var contact string
	h.eventually("find the contact", func(ctx context.Context) error {
		var list struct {
			Data []struct {
				Account string `json:"account_id"`
				Contact struct {
					ID string `json:"id"`
				} `json:"contact"`
			} `json:"data"`
		}
		err := h.call(ctx, desk, http.MethodGet, "/v1/conversations", "", nil, &list, http.StatusOK)
		for _, c := range list.Data {
			if c.Account == "acme-chat" {
				contact = c.Contact.ID
			}
		}
		if err == nil && contact == "" {
			err = errors.New("there is no conversation")
		}
		return err
	})
	theirs := h.upload("/v1/attachments?name=theirs.txt", "", func() string { return desk }, "from the desk")
	var accepted struct {
		ID string `json:"id"`
	}
	h.eventually("answer with a file", func(ctx context.Context) error {
		return h.call(ctx, desk, http.MethodPost, "/v1/messages", "answer", map[string]any{
			"account_id": "acme-chat", "to": map[string]string{"contact_id": contact},
			"content": map[string]string{"type": "media"}, "attachments": []string{theirs.ID},
		}, &accepted, http.StatusAccepted)
	})
	var names []string
	h.eventually("see both files in the chat", func(ctx context.Context) error {
		thread, err := v.shown(ctx)
		names = nil
		for _, m := range thread {
			for _, f := range m.Attachments {
				names = append(names, m.Author+": "+f.Name+" "+f.State)
			}
		}
		if err == nil && len(names) < 2 {
			time.Sleep(50 * time.Millisecond) // a poll, not an assertion
			err = fmt.Errorf("%d files are shown", len(names))
		}
		return err
	})
	if diff := cmp.Diff([]string{"customer: mine.txt ready", "csr: theirs.txt ready"}, names); diff != "" {
		t.Errorf("the chat shows (-want +got):\n%s", diff)
	}
	for id, want := range map[string]string{mine.ID: "from the visitor", theirs.ID: "from the desk"} {
		h.eventually("save a file", func(ctx context.Context) error {
			body, err := get(ctx, h.url("/chat/acme-chat/file/"+id), v.token)
			if err == nil && string(body) != want {
				t.Errorf("the visitor reads %q, want %q", body, want)
			}
			return err
		})
	}
	statuses := slices.DeleteFunc(h.events(archive), func(ev event) bool { return ev.Type != "message.status" || ev.Message.ID != accepted.ID })
	if len(statuses) != 1 || statuses[0].Message.Status != "sent" {
		t.Errorf("I2: the answer went through %+v, want sent once", statuses)
	}
}
