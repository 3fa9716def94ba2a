package pluginhost

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// Each test here is one way in which a connector can harm the hub that runs
// it. In all of them another connector keeps working, and the host lets go of
// everything in the end.

func TestGuardHandshake(t *testing.T) {
	for mode, says := range map[string]string{
		"exit":     "ended before it had printed a handshake",
		"garbage":  "not a plugin handshake",
		"endless":  "too long",
		"bignet":   "not a Unix socket",
		"magic":    "another version of the plugin handshake",
		"version":  "another major version",
		"netrpc":   "does not speak gRPC",
		"nocert":   "certificate",
		"badcert":  "certificate",
		"notcert":  "certificate",
		"wrongkey": "did not describe itself",
	} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t, nil)
			h.set(t, "other", "good")
			err := h.Set(testContext(t), Spec{ID: "one", Path: evil(t, mode)})
			if !model.Is(err, model.Unavailable) && !model.Is(err, model.Invalid) || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v, want it to say %q", err, says)
			}
			h.works(t, "other")
		})
	}
}

func TestGuardSilence(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Timings.Start = 200 * time.Millisecond })
	err := h.Set(testContext(t), Spec{ID: "one", Path: evil(t, "silent")})
	wantCode(t, err, model.Unavailable)
	if !strings.Contains(err.Error(), "no handshake within") {
		t.Errorf("error is %v", err)
	}

	// A start that is called off does not wait for its deadline.
	h = newTestHost(t, func(o *Options) { o.Timings.Start = 10 * within })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	wantCode(t, h.Set(ctx, Spec{ID: "one", Path: evil(t, "silent")}), model.Unavailable)
}

func TestGuardDescription(t *testing.T) {
	for mode, says := range map[string]string{
		"slowdescribe": "did not describe itself: DeadlineExceeded",
		"hugedescribe": "did not describe itself: ResourceExhausted",
		"baddescribe":  "name: must match",
	} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t, func(o *Options) {
				if mode == "slowdescribe" {
					o.Timings.Describe = 200 * time.Millisecond
				}
			})
			err := h.Set(testContext(t), Spec{ID: "one", Path: evil(t, mode)})
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v, want it to say %q", err, says)
			}
		})
	}
}

func TestGuardLibraryStreams(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	for range 10 {
		h.works(t, "one")
	}
	result, err := h.ask(testContext(t), "one", "streams", "")
	must(t, err)
	if got := string(result.Reply.Body); got != "0" {
		t.Errorf("the library opened %s streams for the connector to flood", got)
	}
}

func TestGuardStandardOutput(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "printer")
	for range 20 {
		h.works(t, "one")
	}
	// A handler that prints more than a pipe holds comes back.
	_, err := h.ask(testContext(t), "one", "print", "")
	must(t, err)
}

func TestGuardHugeReply(t *testing.T) {
	// Making the reply keeps the connector too busy for health checks.
	h := newTestHost(t, func(o *Options) { o.Timings.HealthInterval = within })
	h.set(t, "one", "good")
	before := peakMemory(t)
	_, err := h.ask(testContext(t), "one", "huge", "")
	wantCode(t, err, model.TooLarge)
	if grown := peakMemory(t) - before; grown > 64<<20 {
		t.Errorf("the hub's memory grew by %d MiB", grown>>20)
	}
	h.works(t, "one")
}

// peakMemory is the most memory this process ever had.
func peakMemory(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	must(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	must(t, err)
	return kib << 10
}

func TestGuardStoppedProcess(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Timings.HealthDeadline = 100 * time.Millisecond })
	h.set(t, "one", "good")
	h.set(t, "other", "good")
	pid := h.StatusOf("one").PID
	// The call is under way when the process stops; it comes back when the
	// process is killed, long before its own deadline.
	_, err := h.ask(testContext(t), "one", "stop", "")
	wantCode(t, err, model.Unavailable)
	if fault := h.awaitState(t, "one", StateBackoff, 1).LastFault; !strings.Contains(fault, "killed after 2 health checks") {
		t.Errorf("fault is %q", fault)
	}
	h.works(t, "other")
	h.awaitState(t, "one", StateUnhealthy, 1)
	h.awaitState(t, "one", StateRunning, 2)
	h.works(t, "one")
	if alive(pid) {
		t.Error("the stopped process is still there")
	}
}

func TestGuardRemoveOfStoppedProcess(t *testing.T) {
	t.Run("by the drain's deadline", func(t *testing.T) {
		removeStopped(t, func(o *Options) {
			o.Timings.HealthInterval = 10 * within
			o.Timings.Drain = 200 * time.Millisecond
		})
	})
	t.Run("by its health", func(t *testing.T) {
		removeStopped(t, func(o *Options) {
			o.Timings.HealthDeadline = 100 * time.Millisecond
			o.Timings.Drain = 10 * within
		})
	})
}

func removeStopped(t *testing.T, change func(*Options)) {
	t.Helper()
	h := newTestHost(t, change)
	h.set(t, "one", "good")
	pid := h.StatusOf("one").PID
	answered := make(chan error, 1)
	go func() {
		_, err := h.ask(context.Background(), "one", "stop", "")
		answered <- err
	}()
	for !stopped(pid) && alive(pid) {
		time.Sleep(time.Millisecond)
	}
	must(t, h.Remove(testContext(t), "one"))
	wantCode(t, <-answered, model.Unavailable)
	if alive(pid) {
		t.Error("the stopped process is still there")
	}
	if strings.Contains(h.log.String(), "does not let go") {
		t.Error("the library was left to wait for the stopped process")
	}
}

func stopped(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") T ")
}

// victim is another service's socket beside the connector's program. It notes
// what the hub sends it.
type victim struct {
	net.Listener
	bytes atomic.Int64
}

func newVictim(t *testing.T, program string) *victim {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", filepath.Join(filepath.Dir(program), "victim"))
	must(t, err)
	v := &victim{Listener: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n, _ := conn.Read(make([]byte, 1024))
			v.bytes.Add(int64(n))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return v
}

func TestGuardForeignAddress(t *testing.T) {
	for mode, says := range map[string]string{
		"tcp":      "not a Unix socket",
		"foreign":  "outside its private directory",
		"dotdot":   "outside its private directory",
		"link":     "no socket",
		"nosocket": "no socket",
		"moved":    "did not describe itself",
	} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t, nil)
			h.set(t, "other", "good")
			program := evil(t, mode)
			v := newVictim(t, program)
			err := h.Set(testContext(t), Spec{ID: "one", Path: program})
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v, want it to say %q", err, says)
			}
			if n := v.bytes.Load(); n != 0 {
				t.Errorf("the hub sent %d bytes to another service", n)
			}
			h.works(t, "other")
		})
	}
}

func TestGuardAddressChangedLater(t *testing.T) {
	h := newTestHost(t, nil)
	program := evil(t, "good")
	v := newVictim(t, program)
	must(t, h.Set(testContext(t), Spec{ID: "one", Path: program}))
	_, err := h.OpenAccount(testContext(t), "one", AccountSettings{AccountID: account("one"), Revision: 1})
	must(t, err)
	_, err = h.ask(testContext(t), "one", "losesocket", "")
	wantCode(t, err, model.Unavailable)
	// The hub dials again, refuses what it finds, and makes a new start.
	h.awaitState(t, "one", StateRunning, 2)
	h.works(t, "one")
	if n := v.bytes.Load(); n != 0 {
		t.Errorf("the hub sent %d bytes to another service", n)
	}
}

func TestGuardEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-key")
	t.Setenv("HUB_CFG_X", "canary-config")
	t.Setenv("SSL_CERT_DIR", "/etc/ssl/certs")
	t.Setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
	t.Setenv("TZ", "UTC")
	stdin, typed, err := os.Pipe()
	must(t, err)
	_, err = typed.WriteString("canary typed at the hub")
	must(t, err)
	must(t, typed.Close())
	terminal := os.Stdin
	os.Stdin = stdin
	t.Cleanup(func() { os.Stdin = terminal; _ = stdin.Close() })
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	result, err := h.ask(testContext(t), "one", "environ", "")
	must(t, err)
	body := string(result.Reply.Body)
	if strings.Contains(body, "canary") || strings.Contains(body, "HOME=") || strings.Contains(body, "PATH=") {
		t.Errorf("the connector was given\n%s", body)
	}
	var names []string
	for line := range strings.SplitSeq(body, "\n") {
		if name, _, ok := strings.Cut(line, "="); ok && regexp.MustCompile(`^[A-Z_]+$`).MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	want := []string{
		"CHANNELHUB_PLUGIN", "CHANNELHUB_START", "LANG", "PLUGIN_CLIENT_CERT", "PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT",
		"PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the connector was given %v, want %v", names, want)
	}
	if !strings.Contains(body, "stdin=\n") {
		t.Error("the connector could read the hub's standard input")
	}
	if !strings.Contains(body, "\ndir="+h.opts.RunDir) {
		t.Error("the connector does not run in its private directory")
	}
}

func TestGuardLogs(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	_, err := h.ask(testContext(t), "one", "stderr", "")
	must(t, err)
	h.works(t, "one")
	must(t, h.Remove(testContext(t), "one")) // everything it wrote is read by now
	log := h.log.String()

	if n := strings.Count(log, `"@module":"plugin.one"`); n > logBurst+2*logsPerSecond {
		t.Errorf("%d lines of the connector were logged", n)
	}
	dropped := 0
	for _, m := range regexp.MustCompile(`too many.*"count":(\d+)`).FindAllStringSubmatch(log, -1) {
		n, err := strconv.Atoi(m[1])
		must(t, err)
		dropped += n
	}
	logged := strings.Count(log, `"@message":"flood"`)
	if logged+dropped != 50_000 {
		t.Errorf("%d lines of the flood logged and %d reported as dropped, want 50000 together", logged, dropped)
	}
	if len(log) > 1<<20 {
		t.Errorf("the log grew by %d bytes", len(log))
	}
	for _, forged := range []string{`"@module":"hub.audit"`, "secret-token", `"client_id"`, `"actor"`, "\x1b", "\u202e", `[1,2]`} {
		if strings.Contains(log, forged) {
			t.Errorf("%q reached the log", forged)
		}
	}
	// What is harmless in the same lines did.
	for _, kept := range []string{`"account_id":"acme-wa"`, "forged audit", `"code":"ok"`, `no such level`, `hub.audit: plain text`} {
		if !strings.Contains(log, kept) {
			t.Errorf("%q did not reach the log", kept)
		}
	}
}

func TestGuardPanicIsReported(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	h.set(t, "other", "good")
	_, err := h.ask(testContext(t), "one", "panic", "")
	wantCode(t, err, model.Unavailable)
	h.awaitState(t, "one", StateRunning, 2)
	h.works(t, "one")
	h.works(t, "other")
	if log := h.log.String(); !strings.Contains(log, `"stderr":["panic: an evil panic`) {
		t.Error("the crash's report does not begin with the panic")
	}
}

func TestGuardChildThatKeepsThePipes(t *testing.T) {
	for _, mode := range []string{"child", "runaway"} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t, func(o *Options) { o.Timings.BackoffMin = within })
			must(t, h.Set(testContext(t), Spec{ID: "one", Path: evil(t, mode)}))
			status := h.awaitState(t, "one", StateBackoff, 1)
			if !strings.Contains(status.LastFault, "exit status 5") {
				t.Errorf("fault is %q", status.LastFault)
			}
			left := processesOf(t, h.opts.RunDir)
			if mode == "child" && len(left) > 0 {
				t.Errorf("processes %v of its group are left", left)
			}
			// One that made a session of its own is not found again before
			// the next hub's sweep.
			for _, pid := range left {
				must(t, syscall.Kill(pid, syscall.SIGKILL))
			}
		})
	}
}

// processesOf lists the processes that were given a directory in runDir.
func processesOf(t *testing.T, runDir string) []int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/environ")
	must(t, err)
	var pids []int
	for _, entry := range entries {
		env, _ := os.ReadFile(entry) // processes come and go
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
		must(t, err)
		if strings.Contains(string(env), "TMPDIR="+runDir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestGuardItems(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	result, err := h.ask(testContext(t), "one", "mixed", "last")
	must(t, err)
	var got []string
	for _, item := range result.Items {
		switch {
		case item.Status != nil:
			got = append(got, "status "+string(item.Status.Status)+" "+item.Status.ProviderID)
		case item.Event.Type == model.UnsupportedReceived:
			key, _, _ := strings.Cut(item.Event.DedupeKey, "/") // what follows is a digest
			got = append(got, key+" "+item.Event.Kind)
		default:
			got = append(got, item.Event.DedupeKey+" "+item.Event.Message.Content.Text)
		}
	}
	want := []string{
		"long invalid_content", "big invalid_size", "invalid invalid_dedupe_key", "noaddress invalid_address", "status read p2", "key-last last",
	}
	if !slices.Equal(got, want) {
		t.Errorf("items are\n%q, want\n%q", got, want)
	}
	if n := h.StatusOf("one").ItemsRefused; n != 7 {
		t.Errorf("%d items counted as refused, want 7", n)
	}
}

func TestGuardStrangersAccounts(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	h.set(t, "stranger-owner", "good")
	result, err := h.ask(testContext(t), "one", "strangers", "mine")
	must(t, err)
	if len(result.Items) != 1 || result.Items[0].Event.AccountID != account("one") || !slices.Equal(result.Verified, []model.AccountID{account("one")}) {
		t.Errorf("result is %+v", result)
	}

	// The same on the connector's own calls.
	result, err = h.ask(testContext(t), "one", "publish", "")
	must(t, err)
	want := "CODE_OK CODE_NOT_FOUND OK; OK NotFound NotFound InvalidArgument"
	if got := string(result.Reply.Body); got != want {
		t.Errorf("the hub answered %q, want %q", got, want)
	}
	if len(h.calls.events) != 1 || h.calls.events[0].AccountID != account("one") {
		t.Errorf("the hub took %+v", h.calls.events)
	}
}

func TestGuardHostServiceNeedsTheKeys(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	h.set(t, "other", "good")
	one, err := h.running("one")
	must(t, err)
	other, err := h.running("other")
	must(t, err)

	theirs, err := tls.X509KeyPair(other.host.keys.clientCertificate, other.host.keys.clientKey)
	must(t, err)
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "another connector's": {theirs}} {
		conn, err := grpc.NewClient("unix:"+one.host.socket, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			Certificates: certificates, RootCAs: one.host.keys.authority, ServerName: "localhost",
		})))
		must(t, err)
		_, err = connectorv1.NewHostServiceClient(conn).GetState(testContext(t), connectorv1.GetStateRequest_builder{
			Account: accountOut(account("one"), 1), Key: new("k"),
		}.Build())
		if status.Code(err) != codes.Unavailable {
			t.Errorf("with certificate %s: got %v", name, err)
		}
		must(t, conn.Close())
	}
}

func TestGuardReply(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	result, err := h.ask(testContext(t), "one", "reply", "kept")
	must(t, err)
	if result.Reply.Status != 502 || len(result.Items) != 1 {
		t.Errorf("a reply of status 42 gave %+v", result)
	}
	result, err = h.ask(testContext(t), "one", "headers", "")
	must(t, err)
	if h := result.Reply.Headers; len(h) != 1 || h[0].Name != "Content-Type" || !slices.Equal(h[0].Values, []string{"a"}) {
		t.Errorf("headers are %+v", h)
	}
}

func TestGuardTextThatIsNone(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	_, err := h.ask(testContext(t), "one", "utf8", "x")
	wantCode(t, err, model.Unavailable)
	h.works(t, "one")
}

func TestGuardErrorTexts(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	_, err := h.ask(testContext(t), "one", "fail", "")
	wantCode(t, err, model.Unavailable)
	if strings.Contains(err.Error(), "4915112345678") {
		t.Errorf("the error repeats what the connector said: %v", err)
	}
	if strings.Contains(h.log.String(), "4915112345678") {
		t.Error("the log repeats what the connector said")
	}
}
