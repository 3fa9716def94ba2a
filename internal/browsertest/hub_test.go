package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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

const (
	deskToken     = "browser-test-desk-token-of-more-than-32-characters"
	operatorToken = "browser-test-operator-token-of-more-than-32-characters"

	startTimeout = 30 * time.Second
	// The hub gives itself 30 s to drain.
	stopTimeout = 45 * time.Second
)

// hub is a hub that can be killed and started again over the same data and on
// the same port, so that open pages find it again. Its methods may be called
// from any goroutine.
type hub struct {
	config string
	public string // base URL, the same for every start
	log    *syncBuffer

	mu      sync.Mutex
	process *process // nil while the hub is away
}

// process is one run of the hub.
type process struct {
	cmd   *exec.Cmd
	admin string
	ended chan struct{} // closed when err is set
	err   error
}

// newHub starts a hub that ends with the test.
func newHub(t *testing.T) *hub {
	t.Helper()
	dir := t.TempDir()
	address := freeAddress(t)
	config := fmt.Sprintf(`
data_dir: %s
demo: true
listeners: {public: {address: %q}, admin: {address: "127.0.0.1:0"}}
access:
  bootstrap_tokens:
    desk: {role: client, client: demo, token: %q}
    operator: {role: operator, token: %q}
plugins: {webchat: {path: %s}}
clients:
  demo:
    name: Demo
    accounts:
      # Some pages reach the hub through a network that breaks, under its own port.
      demo: {plugin: webchat, config: {allowed_origins: ["*"], attachments: true, cookies: [campaign]}}
`, filepath.Join(dir, "data"), address, deskToken, operatorToken, filepath.Join(bin, "hub-plugin-webchat"))
	h := &hub{config: filepath.Join(dir, "hub.yaml"), public: "http://" + address, log: &syncBuffer{}}
	if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.stop(); err != nil && !errors.Is(err, errAway) {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the hub's log:\n%s", h.log)
		}
	})
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	return h
}

// freeAddress finds a loopback address that stays free while the hub is away.
// Port 0 would not do: the system may give such a port to the next who asks.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000)) // below what systems hand out
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("found no free port between 20000 and 29999")
	return ""
}

var errAway = errors.New("the hub is not running")

// start runs the hub and returns when it is ready.
func (h *hub) start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process != nil {
		return errors.New("the hub is running already")
	}
	// Its life is not a call's: stop and kill end it.
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "hub"), "serve", "--config", h.config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = h.log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start the hub: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the hub: %w", err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n') // empty when the hub ends first
		ready <- line
		_, _ = io.Copy(io.Discard, lines)
		p.err = cmd.Wait()
		close(p.ended)
	}()
	select {
	case line := <-ready:
		for field := range strings.FieldsSeq(line) {
			if url, ok := strings.CutPrefix(field, "admin="); ok {
				p.admin = url
			}
		}
		if !strings.Contains(line, "public="+h.public+" ") || p.admin == "" {
			_ = cmd.Process.Kill()
			<-p.ended
			return fmt.Errorf("start the hub: it said %q instead of being ready on %s", line, h.public)
		}
	case <-time.After(startTimeout):
		_ = cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("start the hub: it was not ready within %s", startTimeout)
	}
	h.process = p
	return nil
}

// stop asks the hub to end and returns when it has, well.
func (h *hub) stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.process
	if p == nil {
		return fmt.Errorf("stop the hub: %w", errAway)
	}
	h.process = nil
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the hub: %w", err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("stop the hub: it did not end within %s of SIGTERM", stopTimeout)
	}
	if p.err != nil {
		return fmt.Errorf("stop the hub: %w", p.err)
	}
	return nil
}

// kill ends the hub with SIGKILL. Its connector notices by itself.
func (h *hub) kill() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.process
	if p == nil {
		return fmt.Errorf("kill the hub: %w", errAway)
	}
	h.process = nil
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the hub: %w", err)
	}
	<-p.ended
	return nil
}

// freeze stops the hub in the middle of what it does: what reaches it from now
// on is lost if it is killed next.
func (h *hub) freeze() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return fmt.Errorf("freeze the hub: %w", errAway)
	}
	if err := h.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze the hub: %w", err)
	}
	return nil
}

// signalPlugin sends the process of the web chat connector a signal. The hub
// starts a killed one again.
func (h *hub) signalPlugin(ctx context.Context, sig syscall.Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return fmt.Errorf("send the connector %s: %w", sig, errAway)
	}
	pid, err := h.process.plugin(ctx)
	if err != nil {
		return fmt.Errorf("ask for the connector's process: %w", err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("send the connector %s: %w", sig, err)
	}
	return nil
}

// plugin asks the admin API for the id of the connector's process.
func (p *process) plugin(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+"/admin/v1/plugins/webchat", http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+operatorToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var plugin struct {
		PID int `json:"pid"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&plugin); err != nil {
		return 0, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	if plugin.PID <= 1 {
		return 0, fmt.Errorf("status %d: there is none", resp.StatusCode)
	}
	return plugin.PID, nil
}

// syncBuffer takes the log of every start of a hub.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
