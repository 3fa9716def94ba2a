package awslocal

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// S3Server is an S3 server on loopback: the data path and real signature
// checks, not the settings of buckets.
type S3Server struct {
	Endpoint string // base URL, buckets in the path
	Account  string // that owns every bucket
	Access   string // access key
	Secret   string // of the access key
	control  string
}

// S3Request is a request that the server has answered.
type S3Request struct {
	Method    string
	Path      string
	Query     string
	Owner     string // expected bucket owner
	SSE       string
	KeyID     string `json:"key_id"`
	BucketKey bool   `json:"bucket_key"`
	Status    int
}

var buildS3 = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "bin", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a place for s3local: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the build: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the build: %w", err)
	}
	program := filepath.Join(dir, "s3local")
	cmd := exec.Command("go", "build", "-C", filepath.Join(root, "tools", "s3local"), "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build s3local: %w\n%s", err, out)
	}
	return program, nil
})

// S3 starts a server of this test's own, empty, which ends with the test.
func S3(t testing.TB) *S3Server {
	t.Helper()
	program, err := buildS3()
	if err != nil {
		t.Fatal(err)
	}
	s := &S3Server{Account: "123456789012", Access: "AKIA" + rand.Text()[:16], Secret: rand.Text()}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, s.Account, s.Access, s.Secret)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("start s3local: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("start s3local: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start s3local: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // until here it stays open: its end tells the server that we are gone
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	var ok bool
	if s.Endpoint, s.control, ok = strings.Cut(strings.TrimSpace(line), " "); err != nil || !ok {
		t.Fatalf("start s3local: it says %q, %v", line, err)
	}
	return s
}

// SetClock moves the server's clock; zero is the real time.
func (s *S3Server) SetClock(t testing.TB, at time.Time) {
	t.Helper()
	v := ""
	if !at.IsZero() {
		v = at.Format(time.RFC3339Nano)
	}
	s.call(t, http.MethodPost, "/clock", url.Values{"at": {v}})
}

// The kinds of fault.
const (
	S3Refuse = "refuse" // the connection ends before the request is looked at
	S3Lost   = "lost"   // the request is served and its answer lost
	S3Hang   = "hang"   // no answer until the caller leaves
	S3Slow   = "slow"   // 503 SlowDown
	S3Deny   = "deny"   // 403 AccessDenied
)

// Fail lets the next n requests with this method, or any when it is empty,
// meet a fault; all of them when n is negative, until it is called with 0.
func (s *S3Server) Fail(t testing.TB, kind, method string, n int) {
	t.Helper()
	s.call(t, http.MethodPost, "/fault", url.Values{"kind": {kind}, "method": {method}, "n": {strconv.Itoa(n)}})
}

// Requests returns every request served so far.
func (s *S3Server) Requests(t testing.TB) []S3Request {
	t.Helper()
	var all []S3Request
	if err := json.Unmarshal(s.call(t, http.MethodGet, "/requests", nil), &all); err != nil {
		t.Fatalf("ask s3local: %v", err)
	}
	return all
}

func (s *S3Server) call(t testing.TB, method, path string, form url.Values) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, s.control+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("ask s3local: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("ask s3local: status %d, %s, %v", res.StatusCode, body, err)
	}
	return body
}
