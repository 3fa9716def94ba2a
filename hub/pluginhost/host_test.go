package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/channelhub/channelhub/hub/model"
)

// evilBinary is the misbehaving connector, built once for all tests.
var evilBinary string

func TestMain(m *testing.M) {
	if os.Getenv(crashHubVariable) != "" {
		crashHub()
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "evil")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	evilBinary = filepath.Join(dir, "evil")
	if err := build(evilBinary, "./internal/evil"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func build(output, pkg string) error {
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", output, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return os.Chmod(output, 0o755)
}

// evil puts the misbehaving connector under the name of a mode, into a
// directory of the test's own.
func evil(t *testing.T, mode string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "evil-"+mode)
	must(t, os.Link(evilBinary, path))
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within is how long anything in these tests may take before it counts as
// hanging. Nothing is expected to come near it.
const within = 30 * time.Second

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	return ctx
}

// fastTimings make the supervisor's seconds milliseconds. Deadlines of calls
// stay long: a busy machine is not a fault.
func fastTimings() Timings {
	return Timings{
		HealthInterval: 50 * time.Millisecond, HealthDeadline: 5 * time.Second, HealthMisses: 2,
		BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond,
		Terminate: 300 * time.Millisecond, Drain: 5 * time.Second,
	}
}

// testHost is a host with everything it tells.
type testHost struct {
	*Host
	calls *fakeHub
	log   *syncBuffer

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	history []PluginStatus
	opened  []AccountOpening
}

func newTestHost(t *testing.T, change func(*Options)) *testHost {
	t.Helper()
	runDir, err := os.MkdirTemp("", "run")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(runDir) })
	h := &testHost{calls: new(fakeHub), log: new(syncBuffer), changed: make(chan struct{})}
	opts := &Options{
		RunDir: runDir, Callbacks: h.calls, HubVersion: "test", Timings: fastTimings(),
		Logger:    hclog.New(&hclog.LoggerOptions{Output: h.log, Level: hclog.Trace, JSONFormat: true}),
		OnChange:  h.onChange,
		OnAccount: h.onAccount,
	}
	if change != nil {
		change(opts)
	}
	h.Host = New(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(opts.RunDir, "????????")); len(left) > 0 {
			t.Errorf("left in the run directory: %v", left)
		}
		if t.Failed() {
			t.Logf("log:\n%s", cut(h.log.String(), 20_000))
		}
	})
	return h
}

func (h *testHost) onChange(s PluginStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history = append(h.history, s)
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *testHost) onAccount(o AccountOpening) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = append(h.opened, o)
	close(h.changed)
	h.changed = make(chan struct{})
}

// await waits until the condition holds for what the host has told.
func (h *testHost) await(t *testing.T, what string, holds func(history []PluginStatus, opened []AccountOpening) bool) {
	t.Helper()
	deadline := time.After(within)
	for {
		h.mu.Lock()
		ok, changed := holds(h.history, h.opened), h.changed
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("did not see %s; have %+v", what, h.Status())
		}
	}
}

// awaitState waits until the plugin has entered the state n times.
func (h *testHost) awaitState(t *testing.T, id model.PluginID, state State, n int) PluginStatus {
	t.Helper()
	var found PluginStatus
	h.await(t, fmt.Sprintf("%s in state %s %d times", id, state, n), func(history []PluginStatus, _ []AccountOpening) bool {
		seen := 0
		for _, s := range history {
			if s.ID == id && s.State == state {
				if seen++; seen == n {
					found = s
					return true
				}
			}
		}
		return false
	})
	return found
}

// account is the one account of a plugin in these tests.
func account(plugin model.PluginID) model.AccountID { return model.AccountID(plugin + "-account") }

// set puts a connector of a mode in place, with its account open.
func (h *testHost) set(t *testing.T, id model.PluginID, mode string) Spec {
	t.Helper()
	spec := Spec{ID: id, Path: evil(t, mode)}
	must(t, h.Set(testContext(t), spec))
	_, err := h.OpenAccount(testContext(t), id, AccountSettings{AccountID: account(id), Revision: 1})
	must(t, err)
	return spec
}

// ask hands the connector one request whose sub-path is what it shall do.
func (h *testHost) ask(ctx context.Context, id model.PluginID, what, body string) (HTTPResult, error) {
	results, err := h.ReceiveHTTP(ctx, id, []HTTPRequest{{
		AccountID: account(id), Method: "POST", URL: "http://example.test/in", SubPath: what, Body: []byte(body),
	}})
	if err != nil {
		return HTTPResult{}, err
	}
	return results[0], nil
}

// works fails the test unless the connector answers.
func (h *testHost) works(t *testing.T, id model.PluginID) {
	t.Helper()
	result, err := h.ask(testContext(t), id, "", "hello")
	if err != nil {
		t.Fatalf("%s does not answer: %v", id, err)
	}
	if len(result.Items) != 1 || result.Items[0].Event.Message.Content.Text != "hello" {
		t.Fatalf("%s answers %+v", id, result)
	}
}

func wantCode(t *testing.T, err error, code model.Code) {
	t.Helper()
	if !model.Is(err, code) {
		t.Fatalf("got %v, want an error with code %s", err, code)
	}
}

// syncBuffer is a log to read while it is written.
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

// fakeHub takes what connectors publish.
type fakeHub struct {
	noCallbacks
	mu     sync.Mutex
	events []Event
}

func (f *fakeHub) PublishEvents(_ context.Context, _ model.PluginID, events []Event) []ItemResult {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, events...)
	return make([]ItemResult, len(events))
}

func (f *fakeHub) GetState(context.Context, model.PluginID, model.AccountID, string) (*StateEntry, error) {
	return &StateEntry{Key: "k", Value: []byte("v"), Version: 1}, nil
}

func TestStartRunClose(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	h.works(t, "one")

	status := h.StatusOf("one")
	if status.State != StateRunning || status.PID == 0 || status.Version != "1.0.0" || status.Channel != "evil" || len(status.SHA256) != 64 {
		t.Errorf("status is %+v", status)
	}
	if desc, ok := h.Describe("one"); !ok || desc.Name != "evil" || !desc.Can.Send {
		t.Errorf("descriptor is %+v, %v", desc, ok)
	}
	if _, err := h.ask(testContext(t), "none", "", ""); !model.Is(err, model.Unavailable) {
		t.Errorf("a call to a plugin that is not there got %v", err)
	}
	must(t, h.Close(testContext(t)))
	if alive(status.PID) {
		t.Error("the process outlived the host")
	}
	_, err := h.ask(testContext(t), "one", "", "")
	wantCode(t, err, model.Unavailable)
	wantCode(t, h.Set(testContext(t), Spec{ID: "two", Path: evil(t, "good")}), model.Unavailable)
}

func TestSpecFaultsAreNamedTogether(t *testing.T) {
	h := newTestHost(t, nil)
	err := h.Set(testContext(t), Spec{
		ID: "../x", SHA256: "abc", Config: []byte("[1]"), Egress: []string{"a b"}, Isolation: "client", Contain: "require",
	})
	wantCode(t, err, model.Invalid)
	e, _ := errors.AsType[*model.Error](err)
	var fields []string
	for _, f := range e.Faults {
		fields = append(fields, f.Field)
	}
	want := []string{"id", "path", "sha256", "config", "egress[0]", "isolation", "contain"}
	if !slices.Equal(fields, want) {
		t.Errorf("faults at %v, want %v", fields, want)
	}
}

func TestProgramIsVerified(t *testing.T) {
	good := evil(t, "good")
	sum, err := verify(&Spec{Path: good})
	must(t, err)
	loose := evil(t, "loose")
	must(t, os.Remove(loose))
	copyFile(t, good, loose, 0o775)
	dull := filepath.Join(t.TempDir(), "dull")
	copyFile(t, good, dull, 0o644)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(good, link))

	for name, c := range map[string]struct {
		spec Spec
		says string
	}{
		"missing":        {Spec{Path: good + "x"}, "there is no file"},
		"directory":      {Spec{Path: filepath.Dir(good)}, "regular file"},
		"link":           {Spec{Path: link}, "regular file"},
		"group-writable": {Spec{Path: loose}, "chmod go-w"},
		"not executable": {Spec{Path: dull}, "chmod +x"},
		"wrong hash":     {Spec{Path: good, SHA256: strings.Repeat("0", 64)}, "not the configured"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t, nil)
			c.spec.ID = "one"
			for _, start := range []func(context.Context, Spec) error{h.Set, h.Start} {
				err := start(testContext(t), c.spec)
				wantCode(t, err, model.Invalid)
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("error is %q, want it to say %q", err, c.says)
				}
			}
			if got := h.StatusOf("one").State; got != StateAbsent {
				t.Errorf("state is %s", got)
			}
		})
	}
	t.Run("right hash", func(t *testing.T) {
		h := newTestHost(t, nil)
		must(t, h.Set(testContext(t), Spec{ID: "one", Path: good, SHA256: strings.ToUpper(sum.sha256)}))
	})
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, b, mode))
	must(t, os.Chmod(to, mode))
}
