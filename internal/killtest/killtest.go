// Package killtest runs a test once more in a process of its own, which a
// failpoint kills: what it leaves behind is what the test then looks at.
//
//	func TestCrash(t *testing.T) {
//		if child, ok := killtest.Child(); ok {
//			w := open(t, child.Dir)
//			child.Arm(t)
//			w.work()
//			t.Fatal("it came through")
//		}
//		dir := t.TempDir()
//		killtest.Kill(t, dir, "work.after_row")
//		w := open(t, dir)
//		…
package killtest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/channelhub/channelhub/internal/failpoint"
)

const (
	dirEnv  = "KILLTEST_DIR"
	siteEnv = "KILLTEST_SITE"
)

// Process is the one that is to be killed.
type Process struct {
	Dir  string // where it works
	Site string // the failpoint that kills it, once it is armed
}

// Child returns the process that is to be killed, when this is it.
func Child() (Process, bool) {
	dir := os.Getenv(dirEnv)
	return Process{dir, os.Getenv(siteEnv)}, dir != ""
}

// Arm has the process killed at its site from now on.
func (p Process) Arm(t *testing.T) {
	t.Helper()
	if err := failpoint.Enable(p.Site + "=kill"); err != nil {
		t.Fatal(err)
	}
}

// Kill runs the test that t belongs to in a process of its own over dir, and
// demands that the failpoint at site killed it.
func Kill(t *testing.T, dir, site string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$") //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), dirEnv+"="+dir, siteEnv+"="+site)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("it was not killed at %s: %v\n%s", site, err, out)
	}
}
