// Package failpoint names the places where a test can make the hub fail: stop
// dead, wait, or see an error. The kill tests start the real binary with one
// failpoint armed, for each name that Names lists, and look at what a restart
// finds.
//
// A room marks a place with one line:
//
//	failpoint.Hit("inbound.after_E")
//
// or, where an error makes sense,
//
//	if err := failpoint.Err("table.commit"); err != nil {
//		return err
//	}
//
// and go generate puts its name on the list in sites.go; a test compares that
// list with the source. While nothing is armed a place costs one atomic load.
//
// The command reads HUB_FAILPOINTS once, at its start, and hands it to Enable:
//
//	HUB_FAILPOINTS="inbound.after_E=kill:3,table.commit=error"
package failpoint

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

//go:generate go test -run ^TestSitesMatchTheSource$ -update

// Env is the environment variable that the command hands to Enable.
const Env = "HUB_FAILPOINTS"

// ErrInjected is what Err returns at an armed place, wrapped with its name.
var ErrInjected = errors.New("injected by a failpoint")

// armed is nil while no failpoint is on.
var armed atomic.Pointer[map[string]*point]

// Hit marks a place that can stop the process or wait. It may be called from
// any goroutine.
func Hit(name string) {
	if points := armed.Load(); points != nil {
		if (*points)[name].hit() {
			// The test meant an error, and this place has nowhere to put one.
			panic("failpoint " + name + ": armed with error at a place that returns none")
		}
	}
}

// Err marks a place that can also return an error. It may be called from any
// goroutine.
func Err(name string) error {
	if points := armed.Load(); points != nil {
		if (*points)[name].hit() {
			return fmt.Errorf("%s: %w", name, ErrInjected)
		}
	}
	return nil
}

// Names lists every place of the product, sorted.
func Names() []string { return slices.Sorted(slices.Values(sites)) }

// Enable arms failpoints by a list "name=action,…" and disarms all others; an
// empty list disarms everything. The actions are
//
//	kill       end the process as kill -9 does: no handler, no flush
//	error      Err returns an error
//	sleep:50ms wait
//
// and each takes a number last, such as kill:3 or sleep:1s:2, that makes it
// act on that hit alone; kill without one acts on the first, error and sleep on
// every one. An unknown name or action arms nothing and is an error.
func Enable(spec string) error { return enable(spec, sites) }

func enable(spec string, known []string) error {
	if strings.TrimSpace(spec) == "" {
		armed.Store(nil)
		return nil
	}
	points := map[string]*point{}
	for item := range strings.SplitSeq(spec, ",") {
		name, action, ok := strings.Cut(strings.TrimSpace(item), "=")
		if !ok {
			return fmt.Errorf("failpoint %q: want name=action", item)
		}
		if !slices.Contains(known, name) {
			return fmt.Errorf("failpoint %q: no such place; there are %s", name, strings.Join(known, " "))
		}
		if points[name] != nil {
			return fmt.Errorf("failpoint %q: named twice", name)
		}
		p, err := parse(action)
		if err != nil {
			return fmt.Errorf("failpoint %q: %w", name, err)
		}
		points[name] = p
	}
	armed.Store(&points)
	return nil
}

// point is one armed place.
type point struct {
	act   string
	sleep time.Duration
	only  int64 // the hit it acts on; 0 means every one
	hits  atomic.Int64
}

func parse(action string) (*point, error) {
	parts := strings.Split(action, ":")
	p := &point{act: parts[0]}
	rest := parts[1:]
	switch p.act {
	case "kill", "error":
	case "sleep":
		if len(rest) == 0 {
			return nil, errors.New("sleep wants a duration, as in sleep:50ms")
		}
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			return nil, fmt.Errorf("sleep: %w", err)
		}
		p.sleep, rest = d, rest[1:]
	default:
		return nil, fmt.Errorf("action %q: want kill, error or sleep:<duration>", p.act)
	}
	if len(rest) > 1 {
		return nil, fmt.Errorf("action %q: too many parts", action)
	}
	if len(rest) == 1 {
		n, err := strconv.ParseInt(rest[0], 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("action %q: %q is not the number of a hit", action, rest[0])
		}
		p.only = n
	}
	return p, nil
}

// hit counts and acts, and reports whether an error is wanted. A nil point is
// a place that is not armed.
func (p *point) hit() bool {
	if p == nil {
		return false
	}
	if n := p.hits.Add(1); p.only != 0 && n != p.only {
		return false
	}
	switch p.act {
	case "kill":
		die()
	case "sleep":
		time.Sleep(p.sleep)
	}
	return p.act == "error"
}

// die ends the process at once and does not return: between the signal's
// sending and its arrival nothing more may happen here.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic("failpoint: kill this process: " + err.Error())
	}
	select {}
}
