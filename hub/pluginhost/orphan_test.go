package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

// crashHubVariable makes the test binary a hub of its own, to be killed: it
// holds the run directory and the connector's program, with a bar in between.
const crashHubVariable = "PLUGINHOST_TEST_CRASH_HUB"

// crashHub runs a connector, says its process id, and waits for its end.
func crashHub() {
	runDir, program, _ := strings.Cut(os.Getenv(crashHubVariable), "|")
	h := New(&Options{RunDir: runDir})
	if err := h.Set(context.Background(), Spec{ID: "one", Path: program}); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(h.StatusOf("one").PID)
	select {}
}

func TestGuardHubKilled(t *testing.T) {
	runDir, err := os.MkdirTemp("", "run")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(runDir) })

	hub := exec.CommandContext(testContext(t), os.Args[0])
	hub.Env = append(os.Environ(), crashHubVariable+"="+runDir+"|"+evil(t, "ignoreterm"))
	out, err := hub.StdoutPipe()
	must(t, err)
	must(t, hub.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}

	// While that hub lives, the directory is its own.
	second := New(&Options{RunDir: runDir})
	wantCode(t, second.Open(), model.Conflicting)
	must(t, second.Close(testContext(t)))

	must(t, hub.Process.Kill())
	_ = hub.Wait() // "signal: killed"
	if !alive(pid) {
		t.Fatal("the connector ended by itself: the test shows nothing")
	}
	// A process that only resembles one of ours, and files that are nobody's.
	stranger := exec.CommandContext(testContext(t), "/bin/sleep", "60")
	stranger.Env = []string{"PATH=/bin", markVariable + "=00000000000000000000000000000000"}
	must(t, stranger.Start())
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	kept := filepath.Join(runDir, "notes.txt")
	must(t, os.WriteFile(kept, nil, 0o600))

	h := newTestHost(t, func(o *Options) { _ = os.Remove(o.RunDir); o.RunDir = runDir })
	must(t, h.Open())
	if alive(pid) {
		t.Error("the connector of the killed hub still runs")
	}
	if left, _ := filepath.Glob(filepath.Join(runDir, "????????")); len(left) > 0 {
		t.Errorf("left of the killed hub: %v", left)
	}
	if !alive(stranger.Process.Pid) {
		t.Error("a process that is not the hub's was killed")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	h.set(t, "one", "good")
	h.works(t, "one")
}

func TestRunDirectoryIsJudged(t *testing.T) {
	base, err := os.MkdirTemp("", "run")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	open := filepath.Join(base, "open")
	must(t, os.Mkdir(open, 0o700))
	must(t, os.Chmod(open, 0o755))
	file := filepath.Join(base, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	longest := base + "/" + strings.Repeat("x", maxSocketPath-socketPathTail-len(base)-1)

	for name, c := range map[string]struct{ path, says string }{
		"none":     {"", "must be configured"},
		"open":     {open, "chmod 700"},
		"too long": {longest + "x", "is 1 bytes too long"},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(&Options{RunDir: c.path})
			err := h.Open()
			wantCode(t, err, model.Invalid)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want it to say %q", err, c.says)
			}
			must(t, h.Close(testContext(t)))
		})
	}
	t.Run("file", func(t *testing.T) {
		h := New(&Options{RunDir: file})
		if err := h.Open(); !errors.Is(err, fs.ErrExist) && err == nil {
			t.Errorf("got %v", err)
		}
		must(t, h.Close(testContext(t)))
	})
	// The longest path that is allowed really works.
	t.Run("longest", func(t *testing.T) {
		h := newTestHost(t, func(o *Options) { _ = os.Remove(o.RunDir); o.RunDir = longest })
		h.set(t, "one", "good")
		h.works(t, "one")
	})
}
