package pluginhost

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// supervisor keeps one connector running: it starts the process, watches it,
// starts it again, and swaps it for another. One goroutine, run, makes every
// decision; others hand it commands. Its state is read under mu.
type supervisor struct {
	host *Host
	id   model.PluginID

	commands chan command
	health   chan healthChange
	attempts chan attempt  // of the attempt under way
	halting  chan struct{} // closed when run begins to end
	done     chan struct{} // closed when run has ended

	// background is waited for before run ends.
	background sync.WaitGroup

	// Used by run alone.
	retired    []*process // draining, or already gone
	policy     restartPolicy
	abort      context.CancelFunc // ends the attempt under way; nil without one
	firstTry   chan struct{}      // closed when the first attempt has ended
	startTimer *time.Timer        // of StateBackoff

	mu       sync.RWMutex
	spec     Spec
	current  *process    // takes the calls; nil while there is none
	desc     *Descriptor // the newest; nil before the first
	status   PluginStatus
	accounts map[model.AccountID]AccountSettings // to be open on every process

	tally *tally
}

// command runs on the supervisor's goroutine; it returns true to end it.
type command func() (last bool)

type healthChange struct {
	process *process
	healthy bool
}

// attempt is the result of one try to start.
type attempt struct {
	process *process
	program program
	err     error
	began   time.Time
}

func (h *Host) newSupervisor(spec Spec) *supervisor {
	s := &supervisor{
		host: h, id: spec.ID, spec: spec,
		commands: make(chan command),
		health:   make(chan healthChange),
		attempts: make(chan attempt),
		halting:  make(chan struct{}),
		done:     make(chan struct{}),
		firstTry: make(chan struct{}),
		policy:   restartPolicy{timings: &h.timings},
		status:   PluginStatus{ID: spec.ID, Since: h.opts.Now()},
		accounts: make(map[model.AccountID]AccountSettings),
		tally:    new(tally),
	}
	if h.opts.Recall != nil { // one that is disabled is away, too
		if desc, ok := h.opts.Recall(spec.ID); ok {
			desc.Recalled = true
			s.desc = &desc
		}
	}
	return s
}

// begin puts the supervisor into its first state: with a process, starting
// one, or disabled. It is called once, before run.
func (s *supervisor) begin(first *process) {
	switch {
	case first != nil:
		s.tried()
		s.adopt(first)
	case s.spec.Disabled:
		s.tried()
		s.enter(StateDisabled, nil)
	default:
		s.start()
	}
}

// tried lets Start return.
func (s *supervisor) tried() {
	if s.firstTry != nil {
		close(s.firstTry)
		s.firstTry = nil
	}
}

// run is the supervisor's life.
func (s *supervisor) run() {
	defer close(s.done)
	defer s.background.Wait()
	for {
		var due <-chan time.Time
		if s.startTimer != nil {
			due = s.startTimer.C
		}
		var exited chan struct{}
		current := s.running()
		if current != nil {
			exited = current.run.exited
		}
		select {
		case c := <-s.commands:
			if c() {
				return
			}
		case a := <-s.attempts:
			s.attempted(a)
		case <-due:
			s.startTimer = nil
			s.start()
		case <-exited:
			s.crashed(current)
		case change := <-s.health:
			switch {
			case change.process != current:
			case change.healthy:
				s.enter(StateRunning, nil)
			default:
				s.enter(StateUnhealthy, nil)
			}
		}
	}
}

// do runs a command on the supervisor's goroutine and waits for it.
func (s *supervisor) do(ctx context.Context, c command) error {
	ran := make(chan struct{})
	select {
	case s.commands <- func() bool { defer close(ran); return c() }:
		<-ran
		return nil
	case <-s.done:
		return model.Errorf(model.Unavailable, "change plugin", "the plugin was removed")
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, "change plugin", ctx.Err())
	}
}

func (s *supervisor) running() *process {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current
}

// start begins an attempt, unless one is under way.
func (s *supervisor) start() {
	if s.abort != nil {
		return
	}
	s.stopTimer()
	s.enter(StateStarting, nil)
	ctx, cancel := context.WithCancel(context.Background())
	s.abort = cancel
	spec := s.wantedSpec()
	go func() {
		a := attempt{began: s.host.opts.Now()}
		// The program is checked before every start, not only the first.
		if a.program, a.err = verify(&spec); a.err == nil {
			if a.process, a.err = s.host.launch(ctx, spec, a.program, s.host.opts.Callbacks, s.tally); a.err == nil {
				s.settle(ctx, a.process)
			}
		}
		// The goroutine of run always takes it: it does not end before.
		s.attempts <- a
	}()
}

// attempted takes the result of an attempt.
func (s *supervisor) attempted(a attempt) {
	s.abort()
	s.abort = nil
	defer s.tried()
	if a.err != nil {
		s.failed(a.began, a.program.sha256, faultText(a.err), a.err)
		return
	}
	s.adopt(a.process)
}

// adopt makes a process the one that takes the calls, and watches it.
func (s *supervisor) adopt(p *process) {
	s.mu.Lock()
	s.current, s.desc = p, &p.desc
	s.mu.Unlock()
	s.enter(StateRunning, func(st *PluginStatus) {
		st.Channel, st.Version = p.desc.Name, p.desc.Version
		st.PID, st.StartedAt = p.run.pid, p.startedAt
		st.SHA256 = p.program.sha256
	})
	s.host.log.Info("a connector runs", telemetry.FieldPlugin, s.id, telemetry.FieldVersion, p.desc.Version, "pid", p.run.pid)
	s.background.Go(func() {
		p.watchHealth(func(healthy bool) {
			select {
			case s.health <- healthChange{process: p, healthy: healthy}:
			case <-s.halting: // nobody asks any more; a hung process is killed all the same
			case <-p.run.exited:
			}
		})
	})
	// Accounts may have come or gone since the process was settled. A call to
	// a process that has ended fails at once, so this does not outlive it.
	s.background.Go(func() { s.settle(context.Background(), p) })
}

// crashed takes the end of the current process that nobody asked for.
func (s *supervisor) crashed(p *process) {
	s.release()
	why := p.run.end()
	p.destroy(why)
	// The newest of what it wrote says more than any status. It is bounded
	// here and redacted by the sink.
	s.host.log.Error("a connector ended unexpectedly", telemetry.FieldPlugin, s.id, "pid", p.run.pid, telemetry.FieldReason, why, "stderr", p.logs.lastWords())
	s.failed(p.startedAt, p.program.sha256, "the process ended: "+why, nil)
}

// failed decides what follows a crash or a start that failed.
func (s *supervisor) failed(began time.Time, sha256, fault string, err error) {
	now := s.host.opts.Now()
	if err != nil {
		s.host.log.Error("a connector could not be started", telemetry.FieldPlugin, s.id, telemetry.FieldError, err)
	}
	note := func(st *PluginStatus) {
		st.LastFault, st.LastFaultAt = fault, now
		st.PID, st.StartedAt = 0, time.Time{}
		if sha256 != "" {
			st.SHA256 = sha256
		}
	}
	wait, again := s.policy.crashed(now, now.Sub(began))
	if !again {
		s.host.log.Error("a connector is quarantined: it crashed too often", telemetry.FieldPlugin, s.id)
		s.enter(StateQuarantined, note)
		return
	}
	s.startTimer = time.NewTimer(wait)
	s.enter(StateBackoff, func(st *PluginStatus) {
		note(st)
		st.NextStart = now.Add(wait)
		st.Restarts++
	})
	s.host.opts.Metrics.PluginRestarted(string(s.id))
}

// release takes the current process away from callers.
func (s *supervisor) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
}

// retire drains a process that is not current any more, without holding up the
// supervisor.
func (s *supervisor) retire(p *process) {
	s.retired = slices.DeleteFunc(s.retired, func(r *process) bool { return r.run.hasExited() })
	s.retired = append(s.retired, p)
	s.background.Go(func() { p.drain(context.Background(), s.host.timings.Drain) })
}

// swap makes a second process the current one. It ends an attempt under way
// and lifts a quarantine: whoever swaps has seen the connector work.
func (s *supervisor) swap(p *process) {
	old := s.running()
	s.cancelAttempt()
	s.stopTimer()
	s.policy.reset()
	s.mu.Lock()
	s.spec = p.spec
	s.mu.Unlock()
	s.adopt(p)
	if old != nil {
		s.retire(old)
	}
}

// disable drains the process and starts no other.
func (s *supervisor) disable(spec Spec) {
	s.cancelAttempt()
	s.stopTimer()
	s.policy.reset()
	s.mu.Lock()
	old := s.current
	s.spec, s.current = spec, nil
	s.mu.Unlock()
	s.enter(StateDisabled, func(st *PluginStatus) { st.PID, st.StartedAt = 0, time.Time{} })
	if old != nil {
		s.retire(old)
	}
}

// halt drains the process within the context and the drain's own deadline. It
// is the supervisor's last act.
func (s *supervisor) halt(ctx context.Context) {
	close(s.halting)
	s.cancelAttempt()
	s.stopTimer()
	p := s.running()
	if p == nil {
		return
	}
	s.enter(StateDraining, nil)
	// Calls under way are let finish, and new ones are refused.
	p.drain(ctx, s.host.timings.Drain)
	s.release()
}

// cancelAttempt ends the attempt under way and what it has started.
func (s *supervisor) cancelAttempt() {
	if s.abort == nil {
		return
	}
	s.abort()
	a := <-s.attempts
	s.abort = nil
	if a.process != nil {
		a.process.destroy("its start was called off")
	}
	s.tried()
}

func (s *supervisor) stopTimer() {
	if s.startTimer != nil {
		s.startTimer.Stop()
		s.startTimer = nil
	}
}
