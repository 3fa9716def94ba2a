package awslocal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// dynoxidePatience is how long dynoxide may take to serve; it takes some
// milliseconds, and longer on a machine that is busy.
const dynoxidePatience = 30 * time.Second

// portTries is how often a port is looked for: dynoxide cannot take "any", so
// another process may be faster at the one that was free.
const portTries = 5

var startDynoxide = sync.OnceValues(func() (string, error) {
	program, err := dynoxideProgram()
	if err != nil {
		return "", err
	}
	for range portTries {
		var endpoint string
		if endpoint, err = dynoxide(program); err == nil {
			return endpoint, nil
		}
	}
	return "", err
})

// DynamoDB returns the base URL of a dynoxide server on loopback. One server,
// its rows in memory, serves all tests of a binary and ends with it, so a test
// uses a table of its own. Without the server the test fails.
func DynamoDB(t testing.TB) (endpoint string) {
	t.Helper()
	endpoint, err := startDynoxide()
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// Credentials gives the test credentials that no AWS would take, and keeps the
// SDK from looking for others.
func Credentials(t *testing.T) {
	t.Helper()
	for _, pair := range Environment() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// Environment is the same for a program that a test runs.
func Environment() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_ROLE_ARN=",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// dynoxide starts the program and waits until it serves.
func dynoxide(program string) (endpoint string, err error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return "", fmt.Errorf("find a port for dynoxide: %w", err)
	}
	address := probe.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := probe.Close(); err != nil {
		return "", fmt.Errorf("find a port for dynoxide: %w", err)
	}
	cmd := exec.Command(program, "--host", "127.0.0.1", "--port", port) //nolint:noctx // it outlives the test that starts it, and ends with the binary
	cmd.Env = []string{}
	// However this binary ends, the server does too: the kernel sees to it.
	// That is tied to the thread that starts it, which is therefore kept.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended := make(chan error, 1)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return "", fmt.Errorf("start dynoxide: %w", err)
	}
	endpoint = "http://" + address
	if err := serves(endpoint, ended); err != nil {
		_ = cmd.Process.Kill()
		return "", fmt.Errorf("start dynoxide: %w", err)
	}
	return endpoint, nil
}

// serves waits for the first answer of a server, or its end.
func serves(endpoint string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), dynoxidePatience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			return resp.Body.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("it ended: %w", errors.Join(err, errors.New("perhaps its port was taken")))
		case <-ctx.Done():
			return fmt.Errorf("it does not serve after %s", dynoxidePatience)
		case <-again.C:
		}
	}
}

// dynoxideProgram is where npm puts the server that tools/awslocal pins.
func dynoxideProgram() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("find the module: the caller is unknown")
	}
	tools := filepath.Join(filepath.Dir(file), "..", "..", "tools", "awslocal")
	program := filepath.Join(tools, "node_modules", "@dynoxide", "linux-x64", "dynoxide")
	if _, err := os.Stat(program); err != nil {
		return "", errors.New("dynoxide is not installed; run: npm ci --ignore-scripts --prefix tools/awslocal")
	}
	return program, nil
}
