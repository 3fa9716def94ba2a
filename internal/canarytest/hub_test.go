package canarytest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bin holds the programs under test, built once.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "canarytest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir, "../../cmd/hub", "../../cmd/hub-plugin-echo", "../../cmd/hub-plugin-webchat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs under test: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	desk   = "canary-test-desk-token-of-more-than-32-characters"
	ops    = "canary-test-operator-token-of-more-than-32-characters"
	conf   = "canary-test-configurator-token-of-more-than-32-characters"
	secret = "canary-test-secret"
)

// output gathers what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf.Bytes())
}

// hub is a hub that logs all it can, and can be killed and started again.
type hub struct {
	t             *testing.T
	dir           string // holds data, and whatever is written elsewhere
	public, admin string
	cmd           *exec.Cmd
	ended         chan struct{}
	env           []string
	out           output
}

// newHub writes the hub's configuration; more is read behind it.
func newHub(t *testing.T, provider, name, more string, env ...string) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir(), env: env}
	for _, dir := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(h.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`
data_dir: %s
listeners: {public: {address: "127.0.0.1:0"}, admin: {address: "127.0.0.1:0"}}
logging: {level: trace}
access:
  bootstrap_tokens:
    desk: {role: client, client: acme, token: %q}
    ops: {role: operator, token: %q}
    conf: {role: configurator, token: %q}
plugins: {echo: {path: %s}, webchat: {path: %s}}
clients:
  acme:
    name: %q
    accounts:
      acme-echo: {plugin: echo, config: {reply_url: %q}, secrets: {secret: %q}}
      acme-chat: {plugin: webchat, config: {allowed_origins: [%q], attachments: true, cookies: [campaign]}}
`, filepath.Join(h.dir, "data"), desk, ops, conf, filepath.Join(bin, "hub-plugin-echo"), filepath.Join(bin, "hub-plugin-webchat"), name, provider, secret, shop)
	for name, text := range map[string]string{"hub.yaml": config, "more.yaml": more} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { h.end(syscall.SIGKILL) })
	return h
}

func (h *hub) start() {
	h.t.Helper()
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "hub"), "serve", "--config", "hub.yaml", "--config", "more.yaml")
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(h.dir, "home"), "TMPDIR="+filepath.Join(h.dir, "tmp"), "XDG_RUNTIME_DIR=")
	cmd.Env = append(cmd.Env, h.env...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd.Stderr = &h.out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.cmd, h.ended = cmd, make(chan struct{})
	ready := make(chan string, 1)
	go func(ended chan struct{}) {
		defer close(ended)
		r := bufio.NewReader(io.TeeReader(stdout, &h.out))
		line, _ := r.ReadString('\n')
		ready <- line
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait()
	}(h.ended)
	select {
	case line := <-ready:
		for field := range strings.FieldsSeq(line) {
			if url, ok := strings.CutPrefix(field, "public="); ok {
				h.public = url
			}
			if url, ok := strings.CutPrefix(field, "admin="); ok {
				h.admin = url
			}
		}
		if h.public == "" || h.admin == "" {
			h.t.Fatalf("the hub did not say where it listens: %q\n%s", line, h.out.bytes())
		}
	case <-time.After(60 * time.Second):
		h.t.Fatal("the hub was not ready in 60 s")
	}
}

// end ends the process and waits for it.
func (h *hub) end(sig syscall.Signal) {
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Signal(sig)
	select {
	case <-h.ended:
	case <-time.After(60 * time.Second):
		_ = h.cmd.Process.Kill()
		h.t.Errorf("the hub did not end within 60 s of %s", sig)
		<-h.ended
	}
	h.cmd = nil
}

// answer is what a request got.
type answer struct {
	status int
	body   []byte
}

// ask sends a request and returns whatever comes back.
func (h *hub) ask(method, url string, header http.Header, body []byte) answer {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{resp.StatusCode, out}
}

// eventually asks until done is content with the answer.
func (h *hub) eventually(what string, done func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: not within 60 s\n%s", what, h.out.bytes())
		}
		time.Sleep(20 * time.Millisecond) // a poll, not an assertion
	}
}
