package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	readyPatience = 30 * time.Second
	stopPatience  = 45 * time.Second
)

// process is a program under test. It says on standard output, in the manner of
// `hub serve`, when it is ready and at which addresses.
type process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer // standard error; read after stop
	ended chan struct{}

	// startup is the time from exec to the ready line.
	startup       time.Duration
	public, admin string // host:port; admin may be empty
}

// startProcess starts a program and waits until it is ready.
func startProcess(ctx context.Context, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), ended: make(chan struct{})}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopPatience
	p.cmd.Stderr = &p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	line := make(chan string, 1)
	go func() {
		defer close(p.ended)
		first, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait()
	}()
	select {
	case first := <-line:
		p.startup = time.Since(began)
		if p.public, p.admin = addresses(first); p.public != "" {
			return p, nil
		}
		err = errors.New("it ended before it was ready")
	case <-time.After(readyPatience):
		err = fmt.Errorf("it was not ready in %s", readyPatience)
	}
	p.stop()
	return nil, fmt.Errorf("start %s: %w\n%s", name, err, p.log.String())
}

// addresses reads "ready public=http://… admin=http://…".
func addresses(line string) (public, admin string) {
	for field := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(field, "public=http://"); ok {
			public = v
		} else if v, ok := strings.CutPrefix(field, "admin=http://"); ok {
			admin = v
		}
	}
	return public, admin
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
