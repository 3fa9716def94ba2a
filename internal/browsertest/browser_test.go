package browsertest

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const web = "../../plugins/webchat/web"

// bin holds the programs under test, built once.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "browsertest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin = dir
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir, "../../cmd/hub", "../../cmd/hub-plugin-webchat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// TestAssets builds the pages again: what the connector embeds is what the
// sources give.
func TestAssets(t *testing.T) {
	need(t)
	node(t, nil, "build.mjs", "--check")
}

// TestPages runs what the pages promise of themselves against the real hub.
func TestPages(t *testing.T) {
	t.Parallel()
	need(t)
	h := newHub(t)
	nodeTest(t, h, nil, "test/*.test.mjs")
}

// TestBreaking breaks everything between a visitor and a CSR while they talk.
func TestBreaking(t *testing.T) {
	t.Parallel()
	need(t)
	h := newHub(t)
	nodeTest(t, h, []string{"CONTROL=" + serveControl(t, h)}, "test/hub/*.test.mjs")
}

// need fails the test with what to install when a part is missing.
func need(t *testing.T) {
	t.Helper()
	watchSources(t)
	out, err := exec.CommandContext(t.Context(), "node", "-p", "process.versions.node").Output()
	if err != nil {
		t.Fatal("install Node 20 or newer (apt-get install nodejs)")
	}
	major, _, _ := strings.Cut(string(out), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		t.Fatalf("install Node 20 or newer; this is %s", out)
	}
	if _, err := os.Stat(filepath.Join(web, "node_modules", ".package-lock.json")); err != nil {
		t.Fatal("install the npm packages (cd plugins/webchat/web && npm ci --ignore-scripts)")
	}
	if chromium() == "" {
		t.Fatal("install Chromium (apt-get install chromium), or name its program in CHROMIUM")
	}
}

func chromium() string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// watchSources opens every folder that the programs and the pages are built
// from. A result that `go test` keeps is as good as what the test opened: it
// does not see what a child process reads.
func watchSources(t *testing.T) {
	t.Helper()
	for _, root := range []string{"cmd", "hub", "plugins", "sdk"} {
		err := filepath.WalkDir(filepath.Join("..", "..", root), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == "shots") {
				return fs.SkipDir
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// nodeTest runs test files one after the other against the hub.
func nodeTest(t *testing.T, h *hub, env []string, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(web, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test is named %s: %v", pattern, err)
	}
	args := []string{"--test", "--test-concurrency=1", "--test-reporter=spec", "--test-timeout=300000"}
	for _, file := range files {
		name, err := filepath.Rel(web, file)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	node(t, append(env, "BASE_URL="+h.public, "TOKEN="+deskToken, "CHROMIUM="+chromium()), args...)
}

// node runs Node in the folder of the pages and fails the test with its output
// when it fails.
func node(t *testing.T, env []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = web
	cmd.Env = append(os.Environ(), env...)
	// The browsers that it starts go with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("%s", out)
}
