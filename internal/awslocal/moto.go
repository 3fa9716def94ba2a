package awslocal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// MotoVersion is the one moto that tests know: what it gets wrong is written
// down for this version.
const MotoVersion = "5.2.1"

// motoScript serves until its standard input ends, which it does however the
// test binary goes away, also by a signal that lets it say nothing.
const motoScript = `
import os, sys, threading
try:
    import moto
    from moto.server import main
except ImportError as missing:
    sys.exit("moto[server] is not installed: %s" % missing)
if moto.__version__ != sys.argv[1]:
    sys.exit("found moto %s" % moto.__version__)
def follow():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=follow, daemon=True).start()
main(["-H", "127.0.0.1", "-p", "0"])
`

// motoPatience is how long moto may take to serve; it takes about a second.
const motoPatience = time.Minute

var startMoto = sync.OnceValues(moto)

// motoProcess is kept so that the pipe to its input stays open: a file that
// nothing refers to is closed.
var motoProcess struct{ cmd *exec.Cmd }

// Moto returns the base URL of a moto server on loopback: KMS, CloudWatch
// Logs, Secrets Manager, SSM, STS and IAM. One server serves all tests of a
// binary and ends with it, so a test uses names of its own. Without moto the
// test fails.
func Moto(t testing.TB) (endpoint string) {
	t.Helper()
	endpoint, err := startMoto()
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

func moto() (endpoint string, err error) {
	python, err := motoPython()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(python, "-c", motoScript, MotoVersion) //nolint:noctx // it outlives the test that starts it, and ends with the binary
	// What Export hides from the tests' own SDK confuses the one in moto.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "AWS_") })
	if _, err := cmd.StdinPipe(); err != nil {
		return "", fmt.Errorf("start moto: %w", err)
	}
	talk, err := cmd.StderrPipe()
	if err != nil {
		return "", fmt.Errorf("start moto: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start moto: %w", err)
	}
	found := make(chan string, 1)
	said := make(chan string, 1)
	go listenToMoto(talk, found, said)
	select {
	case endpoint = <-found:
		motoProcess.cmd = cmd
		return endpoint, nil
	case text := <-said:
		err = errors.New(text)
	case <-time.After(motoPatience):
		err = fmt.Errorf("it does not serve after %s", motoPatience)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return "", fmt.Errorf("start moto %s with %s: %w; install it with: python3 -m pip install 'moto[server]==%[1]s'", MotoVersion, python, err)
}

// listenToMoto reads what the server says, for as long as it says anything:
// where it listens, or else its last words.
func listenToMoto(talk io.Reader, found, said chan<- string) {
	const mark = "Running on "
	lines := bufio.NewScanner(talk)
	var last string
	for lines.Scan() {
		_, url, ok := strings.Cut(lines.Text(), mark)
		if ok {
			found <- strings.TrimSpace(url)
			_, _ = io.Copy(io.Discard, talk)
			return
		}
		if strings.TrimSpace(lines.Text()) != "" {
			last = lines.Text()
		}
	}
	said <- strings.TrimSpace(last)
}

// motoPython is the Python that tools/test.sh has put moto into, or else the
// user's own.
func motoPython() (string, error) {
	if dir, err := moduleRoot(); err == nil {
		own := filepath.Join(dir, "bin", "tools", "moto", "bin", "python3")
		if _, err := os.Stat(own); err == nil {
			return own, nil // made only where the user's own has no moto
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("moto %s needs Python 3: %w", MotoVersion, err)
	}
	return python, nil
}

// moduleRoot is the directory above the test's that holds go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output() //nolint:noctx // it asks nobody and ends at once
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(string(bytes.TrimSpace(out))), nil
}
