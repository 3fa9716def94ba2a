// Package testbin builds the programs that end-to-end tests run: the real hub
// and the real connectors. Every test binary shares one build, so that the
// linker, the slowest part, runs once.
package testbin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

var build = sync.OnceValues(func() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("find the module: the caller is unknown")
	}
	root := filepath.Join(filepath.Dir(file), "..", "..")
	dir := filepath.Join(root, "bin", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a place for the programs: %w", err)
	}
	// Test binaries run side by side; the second finds everything built.
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the build: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the build: %w", err)
	}
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs under test: %w\n%s", err, out)
	}
	// A umask of 002 must not make the hub refuse its own connectors.
	programs, err := filepath.Glob(filepath.Join(dir, "hub*"))
	if err != nil {
		return "", err
	}
	for _, p := range programs {
		if err := os.Chmod(p, 0o755); err != nil {
			return "", fmt.Errorf("make a program safe to run: %w", err)
		}
	}
	return dir, nil
})

// Dir builds what is not up to date and returns the directory that holds hub
// and hub-plugin-*.
func Dir() (string, error) { return build() }
