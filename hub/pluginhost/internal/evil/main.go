// Command evil is a connector that breaks every rule, for the tests of the
// plugin host. It speaks the handshake and gRPC by itself, without the library
// and without the SDK, so that it can say whatever it likes.
//
// Its name decides how it behaves from the start: a program called evil-nocert
// leaves its certificate out. Once it runs, the sub-path of a request decides
// what the answer to it does; see receive.go.
package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mode is how the program behaves.
type mode struct {
	// before runs first; true ends the program.
	before func() bool
	// handshake changes the parts of the handshake line.
	handshake func(parts []string)
	// after runs once the line is printed.
	after    func(*connector)
	describe func(*description)
	// attached runs with the last call of a start.
	attached func(*connector)
}

var modes = map[string]mode{
	"good": {},

	// The handshake.
	"silent":   {before: wait},
	"exit":     {before: func() bool { os.Exit(3); return true }},
	"garbage":  {before: func() bool { say("hello, world\n"); return wait() }},
	"endless":  {before: func() bool { say(strings.Repeat("x", 1<<20)); return wait() }},
	"magic":    {handshake: func(p []string) { p[0] = "7" }},
	"version":  {handshake: func(p []string) { p[1] = "99" }},
	"netrpc":   {handshake: func(p []string) { p[4] = "netrpc" }},
	"nocert":   {handshake: func(p []string) { p[5] = "" }},
	"badcert":  {handshake: func(p []string) { p[5] = strings.Repeat("AAAA", 100) }},
	"notcert":  {handshake: func(p []string) { p[5] = strings.Repeat("-", 100) }},
	"wrongkey": {handshake: func(p []string) { p[5] = newIdentity().encoded }},
	"bignet":   {handshake: func(p []string) { p[2] = strings.Repeat("unix", 1000) }},

	// The address. The tests put a socket beside the program as the victim.
	"tcp":     {handshake: func(p []string) { p[2], p[3] = "tcp", "127.0.0.1:1" }},
	"foreign": {handshake: func(p []string) { p[3] = victim() }},
	"dotdot":  {handshake: func(p []string) { p[3] = filepath.Dir(p[3]) + "/../../victim" }},
	"link": {handshake: func(p []string) {
		link := filepath.Join(filepath.Dir(p[3]), "link")
		must(os.Symlink(victim(), link))
		p[3] = link
	}},
	"nosocket": {handshake: func(p []string) {
		file := filepath.Join(filepath.Dir(p[3]), "file")
		must(os.WriteFile(file, nil, 0o600))
		p[3] = file
	}},
	// Another program's socket, moved into the private directory.
	"moved": {handshake: func(p []string) {
		moved := filepath.Join(filepath.Dir(p[3]), "moved")
		must(os.Link(victim(), moved))
		p[3] = moved
	}},

	// The description.
	"slowdescribe": {describe: func(*description) { select {} }},
	"hugedescribe": {describe: func(d *description) { d.asset = bytes.Repeat([]byte("x"), 16<<20) }},
	"baddescribe":  {describe: func(d *description) { d.name, d.asset, d.path = "../../etc", []byte("x"), "../x.js" }},

	// The life after.
	"printer": {after: func(*connector) {
		go func() { say(strings.Repeat("not the contract\n", 8<<20/17)) }()
		go func() { say(strings.Repeat("x", 8<<20)) }()
	}},
	"crashloop":  {after: func(*connector) { time.AfterFunc(20*time.Millisecond, func() { os.Exit(4) }) }},
	"ignoreterm": {before: func() bool { signal.Ignore(syscall.SIGTERM); return false }},
	"exclusive":  {describe: func(d *description) { d.exclusive = true }},
	"v2":         {describe: func(d *description) { d.version = "2.0.0" }},
	"refuser":    {describe: func(d *description) { d.version = "refuser" }},
	// A child that keeps the pipes, in the group or out of it, and a parent
	// that ends.
	"child":   {attached: func(*connector) { leaveChild(false) }},
	"runaway": {attached: func(*connector) { leaveChild(true) }},
}

func main() {
	name, _ := strings.CutPrefix(filepath.Base(os.Args[0]), "evil-")
	m, ok := modes[name]
	if !ok {
		_, _ = os.Stderr.WriteString("evil: there is no mode " + name + "\n")
		os.Exit(2)
	}
	if m.before != nil && m.before() {
		return
	}
	newConnector(name, m).serve()
}

// say writes to standard output and does not care whether anybody listens.
func say(s string) { _, _ = os.Stdout.WriteString(s) }

// wait does nothing for good. An empty select would be found out: the runtime
// ends a program in which nothing can happen any more.
func wait() bool {
	for {
		time.Sleep(time.Hour)
	}
}

// victim is the socket of another service that the tests put beside this
// program.
func victim() string {
	program, err := filepath.Abs(os.Args[0])
	must(err)
	return filepath.Join(filepath.Dir(program), "victim")
}

// leaveChild starts a process that holds the pipes for a minute, and ends this
// one a moment later.
func leaveChild(ownSession bool) {
	cmd := exec.Command("/bin/sleep", "60") //nolint:noctx // it is to outlive this program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: ownSession}
	must(cmd.Start())
	time.AfterFunc(100*time.Millisecond, func() { os.Exit(5) })
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
