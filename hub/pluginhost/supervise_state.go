package pluginhost

import (
	"context"
	"maps"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// settle opens accounts on a process until it has what is wanted, and tells
// how each fared. It returns what it opened.
func (s *supervisor) settle(ctx context.Context, p *process) []AccountOpening {
	var all []AccountOpening
	for ctx.Err() == nil {
		open, gone := p.differs(s.wantedAccounts())
		if len(open)+len(gone) == 0 {
			break
		}
		openings := p.settle(ctx, open, gone)
		if p.isClosing() {
			break // on its way out: how its accounts fare says nothing
		}
		for _, o := range openings {
			if o.Err != nil {
				s.host.log.Error("an account could not be opened", telemetry.FieldPlugin, s.id, telemetry.FieldAccount, o.AccountID, telemetry.FieldError, o.Err)
			}
			if s.host.opts.OnAccount != nil {
				s.host.opts.OnAccount(o)
			}
		}
		all = append(all, openings...)
	}
	return all
}

// enter changes the state and tells about it.
func (s *supervisor) enter(state State, change func(*PluginStatus)) {
	s.mu.Lock()
	s.status.State, s.status.Since = state, s.host.opts.Now()
	s.status.NextStart = time.Time{}
	if change != nil {
		change(&s.status)
	}
	status := s.counted()
	s.mu.Unlock()
	s.host.opts.Metrics.PluginState(string(s.id), string(state))
	if s.host.opts.OnChange != nil {
		s.host.opts.OnChange(status)
	}
}

func (s *supervisor) currentStatus() PluginStatus {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.counted()
}

// counted returns the status with its counts. The lock is held.
func (s *supervisor) counted() PluginStatus {
	out := s.status
	out.ItemsRefused, out.LogLinesDropped = s.tally.refused.Load(), s.tally.dropped.Load()
	return out
}

func (s *supervisor) descriptor() (Descriptor, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.desc == nil {
		return Descriptor{}, false
	}
	return *s.desc, true
}

func (s *supervisor) wantedSpec() Spec {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.spec
}

func (s *supervisor) wantedAccounts() map[model.AccountID]AccountSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.accounts)
}
