package killtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/channelhub/channelhub/internal/failpoint"
	"github.com/channelhub/channelhub/internal/killtest"
)

// TestKill: the child gets as far as its site and no further, and the test sees
// what it has left.
func TestKill(t *testing.T) {
	site := failpoint.Names()[0] // any
	if child, ok := killtest.Child(); ok {
		leave := func(name string) {
			if err := os.WriteFile(filepath.Join(child.Dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		failpoint.Hit(site) // not armed yet
		child.Arm(t)
		leave("before")
		failpoint.Hit(site)
		leave("after")
		t.Fatal("it came through")
	}
	dir := t.TempDir()
	t.Run("as a part of a test", func(t *testing.T) { killtest.Kill(t, dir, site) })
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "before" {
		t.Errorf("it left %v, %v", left, err)
	}
}
