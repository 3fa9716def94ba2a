package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	librunner "github.com/hashicorp/go-plugin/runner"
)

// pipeGrace is how long the pipes of a process that has exited are read on.
// What the process itself wrote is there at once; a child of its own that kept
// them open must not hold the hub.
const pipeGrace = 500 * time.Millisecond

// runner is one operating-system process from start to end. It stands between
// the library and the process: the library sees one checked line on standard
// output and nothing on standard error.
//
// It is safe for concurrent use once Start has returned.
type runner struct {
	path string
	dir  string // private to this start
	mark string
	logs *logReader

	env    []string // set by the library before Start
	cmd    *exec.Cmd
	pid    int
	line   *io.PipeReader
	lineW  *io.PipeWriter
	exited chan struct{} // closed once the process is reaped
	output chan struct{} // closed once, after that, its output is read
	read   sync.WaitGroup

	mu      sync.Mutex
	address string // from the handshake
	fault   error  // of the handshake
	killed  bool
	cut     bool   // the kill met a running process
	reaped  bool   // or about to be: the number is not signalled any more
	ended   string // how the process ended
	reason  string // why the hub ended it
}

func newRunner(path string, dir *startDir, logs *logReader) *runner {
	line, lineW := io.Pipe()
	return &runner{
		path: path, dir: dir.path, mark: dir.mark, logs: logs,
		line: line, lineW: lineW, exited: make(chan struct{}), output: make(chan struct{}),
	}
}

// passedOn lists the hub's own variables that a connector gets: where TLS
// finds its authorities and how local time reads. Everything else, above all
// credentials, stays with the hub.
var passedOn = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"}

// inherit takes from the library's environment what the handshake needs.
func (r *runner) inherit(library []string) {
	env := []string{r.mark, "TMPDIR=" + r.dir, "LANG=C.UTF-8"}
	for _, name := range passedOn {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for _, entry := range library {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PLUGIN_") && name != goplugin.EnvUnixSocketDir || name == cookieVariable {
			env = append(env, entry)
		}
	}
	// Directly in the private directory: every level costs bytes of the 108.
	r.env = append(env, goplugin.EnvUnixSocketDir+"="+r.dir)
}

// Start starts the process. The context bounds nothing more: starting does not
// block.
func (r *runner) Start(context.Context) error {
	stdout, stdoutW, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, stderrW, err := os.Pipe()
	if err != nil {
		closeAll(stdout, stdoutW)
		return err
	}
	// No context: the process ends by kill, which knows its group.
	cmd := exec.Command(r.path) //nolint:noctx // a context would kill the leader alone
	cmd.Env = r.env
	cmd.Dir = r.dir
	cmd.Stdin = nil // the null device
	cmd.Stdout = stdoutW
	cmd.Stderr = stderrW
	ownGroup(cmd)
	err = r.start(cmd)
	closeAll(stdoutW, stderrW)
	if err != nil {
		closeAll(stdout, stderr)
		return err
	}
	r.read.Go(func() { r.readStdout(stdout) })
	r.read.Go(func() { r.logs.read(stderr) })
	go r.reap(stdout, stderr)
	return nil
}

// start starts the command unless the runner was killed before.
func (r *runner) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return errors.New("stopped before it was started")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.cmd, r.pid = cmd, cmd.Process.Pid
	return nil
}

// reap waits for the process, ends what it left in its group, and closes the
// pipes. It does not depend on the pipes: a child that keeps them open cannot
// make the process look alive.
func (r *runner) reap(pipes ...*os.File) {
	if awaitExit(r.pid) {
		r.signal(syscall.SIGKILL)
		r.mu.Lock()
		r.reaped = true
		r.mu.Unlock()
	}
	err := r.cmd.Wait()
	r.mu.Lock()
	r.reaped = true
	r.ended = describeEnd(r.cmd.ProcessState, err)
	r.mu.Unlock()
	close(r.exited)

	// Closing them ends a read that a child would hold up for ever.
	late := time.AfterFunc(pipeGrace, func() { closeAll(pipes...) })
	r.read.Wait()
	late.Stop()
	closeAll(pipes...)
	close(r.output)
}

func describeEnd(state *os.ProcessState, err error) string {
	if state != nil {
		return state.String()
	}
	return "could not be waited for: " + err.Error()
}

// readStdout takes the handshake from the first line, and then keeps the pipe
// empty: the contract is not spoken there, and a full pipe would block a
// connector that prints.
func (r *runner) readStdout(stdout io.Reader) {
	buf := bufio.NewReaderSize(stdout, maxHandshake)
	line, err := buf.ReadSlice('\n')
	var address string
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		err = handshakeError("its first line is too long for a plugin handshake; is it a connector?")
	case err != nil:
		err = handshakeError("it ended before it had printed a handshake")
	default:
		address, err = checkHandshake(string(line), r.dir)
	}
	r.mu.Lock()
	if r.address = address; !r.cut {
		r.fault = err // else the end of the line is ours, not the program's
	}
	r.mu.Unlock()
	if err == nil {
		_, _ = r.lineW.Write(line) // fails only when the library has given up
	}
	_ = r.lineW.Close()
	_, _ = io.Copy(io.Discard, buf)
}

// announced returns the address of the handshake; empty before it.
func (r *runner) announced() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.address
}

// started reports whether there is, or was, a process.
func (r *runner) started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd != nil
}

// hasExited reports whether the process has ended and was reaped.
func (r *runner) hasExited() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// judgement returns what was wrong with the handshake.
func (r *runner) judgement() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// terminate asks the process to end.
func (r *runner) terminate() { r.signal(syscall.SIGTERM) }

// kill ends the process and its group at once, and notes why. The first reason
// stays.
func (r *runner) kill(reason string) {
	r.mu.Lock()
	r.killed = true
	r.cut = r.cut || r.cmd != nil && !r.reaped
	if r.reason == "" {
		r.reason = reason
	}
	r.mu.Unlock()
	r.signal(syscall.SIGKILL)
}

// signal reaches the process through its pidfd where the system has one, and
// the rest of its group by number. The lock keeps the leader from being reaped
// in between, so that the number is still its own.
func (r *runner) signal(sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil || r.reaped {
		return
	}
	_ = r.cmd.Process.Signal(sig)
	signalGroup(r.pid, sig)
}

// end says how and why the process ended, once it has.
func (r *runner) end() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason != "" {
		return r.reason
	}
	return r.ended
}

// What follows is the library's runner interface.

var _ librunner.Runner = (*runner)(nil)

// Wait blocks until the process has ended.
func (r *runner) Wait(context.Context) error { <-r.exited; return nil }

// Kill ends the process.
func (r *runner) Kill(context.Context) error {
	r.kill("")
	return nil
}

// Stdout gives the library the checked handshake line and then nothing.
func (r *runner) Stdout() io.ReadCloser { return r.line }

// Stderr gives the library nothing: it would take a log line apart with
// unchecked assertions.
func (r *runner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the program's path.
func (r *runner) Name() string { return r.path }

// ID is the process id; the library takes an empty one as "never started".
func (r *runner) ID() string {
	if r.pid == 0 {
		return ""
	}
	return strconv.Itoa(r.pid)
}

// Diagnose adds nothing: the handshake's fault is reported by the host.
func (r *runner) Diagnose(context.Context) string { return "" }

// PluginToHost accepts the address of the handshake.
func (r *runner) PluginToHost(network, address string) (string, string, error) {
	if err := checkAddress(network, address, r.dir); err != nil {
		return "", "", err
	}
	return network, address, nil
}

// HostToPlugin returns the address as it is: both see the same file system.
func (r *runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
