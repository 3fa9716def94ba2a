package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/channelhub/channelhub/internal/testbin"
)

// TestStories runs the scripts of testdata/script, each with the built
// programs, a directory of its own that holds testdata/hub.yaml, and a
// provider for echo accounts. Beside testscript's own commands there are
//
//	starthub [NAME=VALUE…] FLAG…
//	                          starts `hub serve` and waits until it is ready;
//	                          sets HUB_ADDR and PUBLIC, PUBLIC_ADDRESS and
//	                          ADMIN_ADDRESS without http://, logs to hub.log
//	huphub                    sends it SIGHUP
//	stophub                   ends it with SIGTERM, which must succeed
//	killhub                   ends it with SIGKILL
//	exits CODE COMMAND…       runs a command that must end with this code
//	capture NAME              sets a variable to what the last command wrote
//	customer ACCOUNT ID TEXT  is a customer who writes to an echo account, signed
//	                          with ECHO_SECRET; with ! one who is refused
//	crowd ACCOUNT             is customers who write without a pause until
//	                          uncrowd, which demands that each was answered 200
//	                          and sets CROWD to how many messages that were
//	arrived TEXT              waits until the provider was sent this text
//	until FILE TEXT           waits until a file holds this text
//	conforms METHOD TEMPLATE PATH [BODY]
//	                          makes a call and holds the answer against the
//	                          OpenAPI document
//	digest NAME FILE          sets a variable to the SHA-256 of a file
func TestStories(t *testing.T) {
	programs, err := testbin.Dir()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return setUp(env, programs) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"starthub": startHub, "stophub": stopHub, "killhub": killHub, "exits": exits,
			"capture": capture, "customer": customer, "arrived": arrived, "until": until, "digest": digest,
			"conforms": conforms, "huphub": hupHub, "crowd": gather, "uncrowd": disperse,
		},
	})
}

// story is what a script has running.
type story struct {
	env  *testscript.Env
	hub  *exec.Cmd
	done chan error // of the hub's end

	crowd *crowd // nil: there is none

	mu   sync.Mutex
	sent []string // texts that the provider was sent
	news chan struct{}
}

type storyKey struct{}

func storyOf(ts *testscript.TestScript) *story {
	s, ok := ts.Value(storyKey{}).(*story)
	if !ok {
		ts.Fatalf("the script was not set up")
	}
	return s
}

const echoSecret = "echo-secret-of-the-stories"

func setUp(env *testscript.Env, programs string) error {
	s := &story{env: env, news: make(chan struct{}, 1)}
	provider := httptest.NewServer(http.HandlerFunc(s.provide))
	env.Defer(provider.Close)
	env.Defer(func() { _ = s.end(syscall.SIGKILL) }) // most scripts have stopped it
	env.Values[storyKey{}] = s
	shared, err := os.ReadFile(filepath.Join("testdata", "hub.yaml"))
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars,
		"PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"), "BIN="+programs,
		"REPLY_URL="+provider.URL, "ECHO_SECRET="+echoSecret,
		"OPERATOR="+strings.Repeat("operator-", 4), "PRIVACY="+strings.Repeat("privacy-", 5), "CONFIGURATOR="+strings.Repeat("configurator-", 3),
		"ACME="+strings.Repeat("acme-desk-", 4), "HUB_TOKEN=", "HUB_ADDR=",
	)
	return os.WriteFile(filepath.Join(env.WorkDir, "hub.yaml"), shared, 0o600)
}

// provide takes messages as an echo provider does.
func (s *story) provide(w http.ResponseWriter, r *http.Request) {
	var m struct{ ID, Text string }
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, "malformed", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.sent = append(s.sent, m.Text)
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	_, _ = fmt.Fprintf(w, `{"provider_id":"p-%s"}`, m.ID)
}

// patience bounds every wait of a script: it is far above what a slow machine
// needs, and ends a script that would hang.
const patience = time.Minute

func startHub(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	if neg || s.hub != nil {
		ts.Fatalf("usage: starthub [NAME=VALUE…] FLAG…, once until stophub")
	}
	log, err := os.OpenFile(ts.MkAbs("hub.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	variables := environment(ts, s.env)
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		variables, args = append(variables, args[0]), args[1:]
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(ts.Getenv("BIN"), "hub"), append([]string{"serve"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = ts.MkAbs("."), variables, log
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ready := make(chan string, 1)
	s.hub, s.done = cmd, make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if line := lines.Text(); strings.HasPrefix(line, "ready ") {
				ready <- line
			}
		}
		s.done <- errors.Join(cmd.Wait(), log.Close())
	}()
	select {
	case line := <-ready:
		for field := range strings.FieldsSeq(line) {
			if url, ok := strings.CutPrefix(field, "public="); ok {
				ts.Setenv("PUBLIC", url)
				ts.Setenv("PUBLIC_ADDRESS", strings.TrimPrefix(url, "http://"))
			}
			if url, ok := strings.CutPrefix(field, "admin="); ok {
				ts.Setenv("HUB_ADDR", url)
				ts.Setenv("ADMIN_ADDRESS", strings.TrimPrefix(url, "http://"))
			}
		}
	case err := <-s.done:
		s.hub = nil
		ts.Fatalf("the hub ended before it was ready: %v\n%s", err, ts.ReadFile("hub.log"))
	case <-time.After(patience):
		ts.Fatalf("the hub was not ready in time\n%s", ts.ReadFile("hub.log"))
	}
}

// environment is what every script has, with the values it has now.
func environment(ts *testscript.TestScript, env *testscript.Env) []string {
	var out []string
	for _, v := range env.Vars {
		name, _, _ := strings.Cut(v, "=")
		out = append(out, name+"="+ts.Getenv(name))
	}
	return out
}

// end sends the hub a signal and waits for its end.
func (s *story) end(signal syscall.Signal) error {
	if s.hub == nil {
		return errors.New("no hub is running")
	}
	hub := s.hub
	s.hub = nil
	if err := hub.Process.Signal(signal); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		return err
	case <-time.After(patience):
		return errors.Join(errors.New("the hub did not end in time"), hub.Process.Kill())
	}
}

func hupHub(ts *testscript.TestScript, _ bool, _ []string) {
	s := storyOf(ts)
	if s.hub == nil {
		ts.Fatalf("no hub is running")
	}
	ts.Check(s.hub.Process.Signal(syscall.SIGHUP))
}

func stopHub(ts *testscript.TestScript, _ bool, _ []string) {
	if err := storyOf(ts).end(syscall.SIGTERM); err != nil {
		ts.Fatalf("stop the hub: %v\n%s", err, ts.ReadFile("hub.log"))
	}
}

func killHub(ts *testscript.TestScript, _ bool, _ []string) {
	err := storyOf(ts).end(syscall.SIGKILL)
	if _, killed := errors.AsType[*exec.ExitError](err); !killed {
		ts.Fatalf("kill the hub: %v", err)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: capture NAME")
	}
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if value == "" {
		ts.Fatalf("the last command wrote nothing")
	}
	ts.Setenv(args[0], value)
}

func digest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: digest NAME FILE")
	}
	sum := sha256.Sum256([]byte(ts.ReadFile(args[1])))
	ts.Setenv(args[0], hex.EncodeToString(sum[:]))
}

func customer(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: customer ACCOUNT ID TEXT")
	}
	err := write(context.Background(), ts.Getenv("PUBLIC")+"/in/echo/"+args[0], ts.Getenv("ECHO_SECRET"), args[1], args[2])
	switch {
	case neg && err == nil:
		ts.Fatalf("the hub takes what it should refuse")
	case !neg:
		ts.Check(err)
	}
}

// write is one request of the provider; anything but 200 is an error.
func write(ctx context.Context, url, secret, id, text string) error {
	body, err := json.Marshal(map[string]string{"id": id, "from": "ada", "name": "Ada", "text": text})
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body) // a hash takes everything
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Echo-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the hub answers the provider %s: %s", resp.Status, answer)
	}
	return nil
}

func arrived(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: arrived TEXT")
	}
	s := storyOf(ts)
	late := time.After(patience)
	for {
		s.mu.Lock()
		sent := strings.Join(s.sent, "\n")
		s.mu.Unlock()
		if strings.Contains(sent, args[0]) {
			return
		}
		select {
		case <-s.news:
		case <-late:
			ts.Fatalf("the provider was not sent %q, only:\n%s", args[0], sent)
		}
	}
}

// until looks now and then: a file says nothing when it grows.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE TEXT")
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
		select {
		case <-look.C:
		case <-late:
			ts.Fatalf("%s does not hold %q: %v\n%s", args[0], args[1], err, text)
		}
	}
}
