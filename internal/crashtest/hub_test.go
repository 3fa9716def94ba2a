package crashtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/channelhub/channelhub/internal/awslocal"
	"github.com/channelhub/channelhub/internal/testbin"
)

// bin holds the programs under test, built once.
var bin string

func TestMain(m *testing.M) {
	dir, err := testbin.Dir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	if err := awslocal.Export(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The tests wait more than they work: for processes to start, and for
	// attempts of dead ones to run out.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	// Two consumers: one reads along, the other reads from the start at last.
	desk    = "crash-test-desk-token-of-more-than-32-characters"
	archive = "crash-test-archive-token-of-more-than-32-characters"
	secret  = "crash-test-secret"
)

// hub is a hub that can be killed and started again over the same data.
type hub struct {
	t        *testing.T
	dir      string
	provider string

	mu     sync.Mutex
	cmd    *exec.Cmd
	public string
	admin  string
	ended  chan struct{} // closed when the process has ended
	log    *bytes.Buffer
	starts int
}

func newHub(t *testing.T, provider string) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir(), provider: provider, log: &bytes.Buffer{}}
	config := fmt.Sprintf(`
data_dir: %s
listeners: {public: {address: "127.0.0.1:0"}, admin: {address: "127.0.0.1:0"}}
access:
  bootstrap_tokens:
    desk: {role: client, client: acme, token: %q}
    archive: {role: client, client: acme, token: %q}
plugins: {echo: {path: %s}}
clients:
  acme:
    name: Acme
    accounts:
      acme-echo: {plugin: echo, config: {reply_url: %q}, secrets: {secret: %q}}
`, filepath.Join(h.dir, "data"), desk, archive, filepath.Join(bin, "hub-plugin-echo"), provider, secret)
	if err := os.WriteFile(filepath.Join(h.dir, "hub.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	return h
}

// start runs the hub with the failpoints armed. It may die before it is ready,
// when a failpoint lies in its start.
func (h *hub) start(failpoints string) {
	h.t.Helper()
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "hub"), "serve", "--config", filepath.Join(h.dir, "hub.yaml"))
	cmd.Env = append(os.Environ(), "HUB_FAILPOINTS="+failpoints)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd.Stderr = h.log
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ready := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
		close(ended)
	}()
	select {
	case line := <-ready:
		for field := range strings.FieldsSeq(line) {
			if url, ok := strings.CutPrefix(field, "public="); ok {
				h.mu.Lock()
				h.public = url
				h.mu.Unlock()
			}
			if url, ok := strings.CutPrefix(field, "admin="); ok {
				h.mu.Lock()
				h.admin = url
				h.mu.Unlock()
			}
		}
	case <-time.After(30 * time.Second):
		h.t.Fatalf("the hub was not ready in 30 s")
	}
	h.mu.Lock()
	h.cmd, h.ended, h.starts = cmd, ended, h.starts+1
	h.mu.Unlock()
}

// dead reports whether the process has ended, waiting a moment for one that
// is just dying.
func (h *hub) dead(wait time.Duration) bool {
	select {
	case <-h.ended:
		return true
	case <-time.After(wait):
		return false
	}
}

// revive starts the hub again, without failpoints, if it is dead.
func (h *hub) revive() {
	h.t.Helper()
	if h.dead(300 * time.Millisecond) {
		h.start("")
	}
}

// quit asks the hub to end and returns how it did: nil in order.
func (h *hub) quit() error {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	if !h.dead(45 * time.Second) {
		h.t.Fatal("the hub did not end within 45 s of SIGTERM")
	}
	if !h.cmd.ProcessState.Success() {
		return errors.New(h.cmd.ProcessState.String())
	}
	return nil
}

func (h *hub) stop() {
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	if !h.dead(45 * time.Second) {
		_ = h.cmd.Process.Kill()
		h.t.Errorf("the hub did not end within 45 s of SIGTERM")
		<-h.ended
	}
	if h.t.Failed() {
		h.t.Logf("the hub's log:\n%s", h.log)
	}
}

func (h *hub) url(path string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.public + path
}

// eventually calls try until it succeeds, starting the hub again whenever it
// is found dead: what a provider's and a client's retries do.
func (h *hub) eventually(what string, try func(ctx context.Context) error) {
	h.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := try(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: %v", what, err)
		}
		h.revive()
	}
}
