// Package hubtest runs a whole hub inside a test: real rows on a real disk, the
// real echo connector as a process of its own, and web chat's where it is
// asked for, listeners on free ports, and a provider that the test looks into.
package hubtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// The tokens of every hub. Desk and Archive are two consumers of the client
// acme, Other belongs to the client other.
const (
	Desk     = "hubtest-desk-token-of-more-than-32-characters"
	Archive  = "hubtest-archive-token-of-more-than-32-characters"
	Other    = "hubtest-other-token-of-more-than-32-characters"
	Operator = "hubtest-operator-token-of-more-than-32-characters"
)

// Patience is how long a test waits for what must happen; it goes on as soon as
// it does.
const Patience = 30 * time.Second

const (
	startTimeout = time.Minute
	// secret signs for the account acme-echo, otherSecret for other-echo.
	secret      = "hubtest secret of acme"
	otherSecret = "hubtest secret of other"
)

// Shop is the site on whose pages visitors of acme-chat write.
const Shop = "https://shop.example"

var (
	programs string // the directory of the built connectors
	echo     = connector("echo")
	webchat  = connector("webchat")
)

// connector builds a connector when it is first asked for.
func connector(name string) func() (string, error) {
	return sync.OnceValues(func() (string, error) { return build(programs, module+"cmd/hub-plugin-"+name) })
}

// Main runs the package's tests and returns their exit code. A package that
// calls New has it as its TestMain.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hubtest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs = dir
	return m.Run()
}

const module = "github.com/channelhub/channelhub/"

// Connector builds another connector of this module, by the path of its command
// below the module, and returns the program: a plugin's path in
// Options.Config.
func Connector(t *testing.T, command string) string {
	t.Helper()
	program, err := build(t.TempDir(), module+command)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func build(dir, command string) (program string, err error) {
	program = filepath.Join(dir, filepath.Base(command))
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", program, command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", filepath.Base(command), err, out)
	}
	return program, nil
}

// Options for New; nil takes every default.
type Options struct {
	// Config is more configuration, as YAML, read behind hubtest's own.
	Config string
	// WebChat adds the account acme-chat, whose visitors may send files.
	WebChat bool
	// LogTo is where the hub logs. Nil: nowhere.
	LogTo io.Writer
	// RecordAWS is told of every call to AWS. Nil: nobody is.
	RecordAWS func(awsconfig.Call)
}

// Hub is a running hub with the accounts acme-echo and other-echo, and with
// acme-chat where it was asked for.
type Hub struct {
	Public, Admin string // base URLs; Restart changes them
	Provider      *Provider

	t       *testing.T
	opts    Options
	dir     string
	running *hub.Hub
	stop    context.CancelFunc
	ended   chan error
}

// New starts a hub over an empty data directory. It ends with the test.
func New(t *testing.T, opts *Options) *Hub {
	t.Helper()
	if programs == "" {
		t.Fatal("the package's TestMain has to call hubtest.Main")
	}
	h := &Hub{t: t, Provider: newProvider(t)}
	if opts != nil {
		h.opts = *opts
	}
	if h.opts.LogTo == nil {
		h.opts.LogTo = io.Discard
	}
	var err error
	// Not the test's own directory: the path of a socket has to be short.
	if h.dir, err = os.MkdirTemp("", "hub"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Stop()
		_ = os.RemoveAll(h.dir)
	})
	h.Start()
	return h
}

// In returns the hub for a subtest: what fails there fails the subtest. Start,
// Stop and Restart stay with the test that made the hub.
func (h *Hub) In(t *testing.T) *Hub {
	sub := *h
	sub.t = t
	return &sub
}

// Start runs the hub, after Stop over the same data.
func (h *Hub) Start() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	load := func(ctx context.Context) (*config.Config, []config.Warning, error) {
		return config.Load(ctx, &config.Options{Files: h.files(), Env: func() []string { return nil }})
	}
	cfg, _, err := load(ctx)
	if err != nil {
		h.t.Fatalf("load configuration: %v", err)
	}
	running, err := hub.New(ctx, hub.Options{Config: cfg, Version: "test", Load: load, LogTo: h.opts.LogTo, RecordAWS: h.opts.RecordAWS})
	if err != nil {
		h.t.Fatalf("open hub: %v", err)
	}
	h.running = running
	run, stop := context.WithCancel(context.Background())
	h.stop, h.ended = stop, make(chan error, 1)
	go func() { h.ended <- running.Run(run) }()
	select {
	case <-running.Ready():
	case err := <-h.ended:
		h.ended <- err
		h.t.Fatalf("start hub: %v", err)
	case <-ctx.Done():
		h.t.Fatal("the hub was not ready in time")
	}
	h.Public, h.Admin = running.PublicURL(), running.AdminURL()
}

// Stop shuts the hub down in order. A hub that is stopped stays so.
func (h *Hub) Stop() {
	h.t.Helper()
	if h.stop == nil {
		return
	}
	h.stop()
	h.stop = nil
	if err := <-h.ended; err != nil && !errors.Is(err, context.Canceled) {
		h.t.Errorf("the hub ended with: %v", err)
	}
}

// Restart stops the hub and starts it again over the same data.
func (h *Hub) Restart() {
	h.t.Helper()
	h.Stop()
	h.Start()
}

// Configure replaces Options.Config in what the next Start, or reload, reads.
// Dir is where the hub's files are: its data directory is data in there.
func (h *Hub) Configure(config string) (dir string) {
	h.t.Helper()
	h.opts.Config = config
	h.files()
	return h.dir
}

// Reload puts what Configure wrote in force, as long as the caller waits.
func (h *Hub) Reload(ctx context.Context) error {
	_, err := h.running.Reload(ctx)
	return err
}

func (h *Hub) files() []string {
	h.t.Helper()
	program, err := echo()
	if err != nil {
		h.t.Fatal(err)
	}
	chatPlugin, chatAccount := "", ""
	if h.opts.WebChat {
		program, err := webchat()
		if err != nil {
			h.t.Fatal(err)
		}
		chatPlugin = fmt.Sprintf(", webchat: {path: %s}", program)
		chatAccount = fmt.Sprintf(", acme-chat: {plugin: webchat, config: {allowed_origins: [%q], attachments: true}}", Shop)
	}
	own := fmt.Sprintf(`
data_dir: %s
listeners: {public: {address: "127.0.0.1:0"}, admin: {address: "127.0.0.1:0"}}
logging: {level: warn}
access:
  bootstrap_tokens:
    desk: {role: client, client: acme, token: %q}
    archive: {role: client, client: acme, token: %q}
    other: {role: client, client: other, token: %q}
    operator: {role: operator, token: %q}
plugins: {echo: {path: %s}%s}
clients:
  acme:
    name: Acme
    accounts: {acme-echo: {plugin: echo, config: {reply_url: %q}, secrets: {secret: %q}}%s}
  other:
    name: Other
    accounts: {other-echo: {plugin: echo, config: {reply_url: %q}, secrets: {secret: %q}}}
`, filepath.Join(h.dir, "data"), Desk, Archive, Other, Operator, program, chatPlugin,
		h.Provider.url, secret, chatAccount, h.Provider.url, otherSecret)
	files := []string{h.write("hub.yaml", own)}
	if h.opts.Config != "" {
		files = append(files, h.write("more.yaml", h.opts.Config))
	}
	return files
}

func (h *Hub) write(name, content string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}
