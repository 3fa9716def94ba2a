package pluginhost

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
)

// Start puts a connector under supervision and returns when the first attempt
// to start it has ended, or with the context. It is for the hub's own start: a
// connector that starts or describes badly is a state, tried again while the
// others run. An error means that the spec or the program is wrong, and that
// nothing was changed.
func (h *Host) Start(ctx context.Context, spec Spec) error {
	end, err := h.admit(&spec)
	if err != nil {
		return err
	}
	defer end()
	unlock, err := h.changing.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if h.supervisor(spec.ID) != nil {
		return model.Errorf(model.Conflicting, "start plugin", "the plugin is already there: use Set")
	}
	if !spec.Disabled {
		if _, err := verify(&spec); err != nil {
			return err
		}
	}
	s := h.newSupervisor(spec)
	tried := s.firstTry
	if err := h.add(s, nil); err != nil { //nolint:contextcheck // what it starts outlives this call
		return err
	}
	select {
	case <-tried:
	case <-ctx.Done():
	}
	return nil
}

// Set puts a connector under supervision or replaces it. A second process is
// started, described and attached, the accounts are opened on it, then it
// takes the calls and the old process is drained in the background. Any fault
// on the way stops the second process and changes nothing. An equal spec with
// an unchanged program that runs is left alone.
//
// A connector with exclusive sessions cannot have two processes with the same
// accounts: its old process is drained before the accounts are opened on the
// new one, and calls in between get model.Unavailable.
func (h *Host) Set(ctx context.Context, spec Spec) error {
	return h.set(ctx, spec, false)
}

func (h *Host) set(ctx context.Context, spec Spec, force bool) error {
	end, err := h.admit(&spec)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	unlock, err := h.changing.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	s := h.supervisor(spec.ID)
	if spec.Disabled {
		if s == nil {
			return h.add(h.newSupervisor(spec), nil) //nolint:contextcheck // what it starts outlives this call
		}
		return s.do(ctx, func() bool { s.disable(spec); return false }) //nolint:contextcheck // draining outlives this call
	}
	prog, err := verify(&spec)
	if err != nil {
		return err
	}
	if s != nil && !force {
		if p := s.running(); p != nil && p.spec.equal(&spec) && p.program == prog {
			return nil
		}
	}
	known := s != nil
	if !known {
		s = h.newSupervisor(spec)
	}
	second, err := h.launch(ctx, spec, prog, h.opts.Callbacks, s.tally)
	if err != nil {
		return err
	}
	if !known {
		return h.add(s, second) //nolint:contextcheck // what it starts outlives this call
	}
	return s.replace(ctx, second)
}

// replace settles the accounts on a second process and swaps it in. On an
// error the second process is gone and the first one still there.
func (s *supervisor) replace(ctx context.Context, second *process) error {
	old := s.running()
	exclusive := old != nil && (old.desc.ExclusiveSession || second.desc.ExclusiveSession)
	if exclusive {
		err := s.do(ctx, func() bool { s.release(); s.enter(StateDraining, nil); return false })
		if err != nil {
			second.destroy("its plugin was removed")
			return err
		}
		old.drain(ctx, s.host.timings.Drain)
	}
	for _, o := range s.settle(ctx, second) {
		// An account that did not work before is no reason to keep the old.
		if o.Err != nil && old != nil && !exclusive && old.hasOpen(o.AccountID) {
			second.destroy("could not take over")
			return o.Err
		}
	}
	if err := ctx.Err(); err != nil && !exclusive {
		second.destroy("could not take over in time")
		return model.Wrap(model.Unavailable, "replace plugin", err)
	}
	// The swap itself is not called off any more.
	err := s.do(context.WithoutCancel(ctx), func() bool { s.swap(second); return false }) //nolint:contextcheck // the process outlives this call
	if err != nil {
		second.destroy("its plugin was removed")
	}
	return err
}

// Probe starts a process of its own beside whatever runs, to judge
// configuration: validate asks it about settings, under Probe's context, until
// done ends it. The process can reach none of the hub's data.
func (h *Host) Probe(ctx context.Context, spec Spec) (desc Descriptor, validate func(AccountSettings) []model.Fault, done func(), err error) {
	end, err := h.admit(&spec)
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	defer end()
	prog, err := verify(&spec)
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	p, err := h.launch(ctx, spec, prog, noCallbacks{}, new(tally))
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	validate = func(s AccountSettings) []model.Fault {
		faults, err := p.validate(ctx, h.withURL(&s))
		if err != nil {
			return []model.Fault{{Detail: "the connector could not judge the settings: " + faultText(err)}}
		}
		return faults
	}
	return p.desc, validate, func() { p.destroy("a probe that has ended") }, nil
}

// Remove drains a connector, ends its process and forgets it with its
// accounts. The context bounds the draining. Removing one that is not there is
// harmless.
func (h *Host) Remove(ctx context.Context, id model.PluginID) error {
	unlock, err := h.changing.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	s := h.supervisor(id)
	if s == nil {
		return nil
	}
	s.stop(ctx)
	h.mu.Lock()
	delete(h.plugins, id)
	h.mu.Unlock()
	if h.opts.OnChange != nil {
		h.opts.OnChange(PluginStatus{ID: id, State: StateAbsent, Since: h.opts.Now()})
	}
	return nil
}

// stop ends the supervisor and its processes. The end of the context cuts
// their draining short.
func (s *supervisor) stop(ctx context.Context) {
	hurry := func() bool { return true }
	// Without its cancellation: a drain that is cut short is still an end. An
	// error means that another call has stopped it.
	_ = s.do(context.WithoutCancel(ctx), func() bool {
		retired := s.retired
		hurry = context.AfterFunc(ctx, func() {
			for _, p := range retired {
				p.run.kill("the time for draining is over")
			}
		})
		s.halt(ctx)
		return true
	})
	<-s.done
	hurry()
}

// Restart starts a second process of the same spec, swaps it in and drains the
// old one. It also ends a back-off or a quarantine.
func (h *Host) Restart(ctx context.Context, id model.PluginID) error {
	s := h.supervisor(id)
	if s == nil {
		return errNoPlugin("restart plugin")
	}
	spec := s.wantedSpec()
	if spec.Disabled {
		return model.Errorf(model.Precondition, "restart plugin", "the plugin is disabled")
	}
	return h.set(ctx, spec, true)
}

// Release lifts a quarantine or ends a back-off: the connector is started at
// once, and its crashes are forgotten.
func (h *Host) Release(ctx context.Context, id model.PluginID) error {
	s := h.supervisor(id)
	if s == nil {
		return errNoPlugin("release plugin")
	}
	return s.do(ctx, func() bool { //nolint:contextcheck // what it starts outlives this call
		switch s.currentStatus().State {
		case StateQuarantined, StateBackoff:
			s.policy.reset()
			s.start()
		case StateAbsent, StateDisabled, StateStarting, StateRunning, StateUnhealthy, StateDraining:
		}
		return false
	})
}

func errNoPlugin(op string) error {
	return model.Errorf(model.Unavailable, op, "there is no such plugin")
}
