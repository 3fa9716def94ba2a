package pluginhost

import (
	"context"
	"sync"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// processAccount is an account on one process. It is there from the moment
// before OpenAccount is called, so that the connector can use the hub's
// services while it opens.
type processAccount struct {
	revision  uint64 // that is open
	open      bool
	tried     uint64 // newest revision that was tried
	addresses []string
}

// owns reports whether the account is this process's.
func (p *process) owns(id model.AccountID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accounts[id] != nil
}

// revision returns the revision that is open; zero when none is.
func (p *process) revision(id model.AccountID) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.accounts[id]; a != nil && a.open {
		return a.revision
	}
	return 0
}

// hasOpen reports whether calls about the account can be made.
func (p *process) hasOpen(id model.AccountID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.accounts[id]
	return a != nil && a.open
}

// openAccount opens an account, or replaces it by a newer revision. It returns
// the account's addresses at the provider.
func (p *process) openAccount(ctx context.Context, s *AccountSettings) ([]string, error) {
	unlock, err := p.changing.lock(ctx, s.AccountID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p.mu.Lock()
	a := p.accounts[s.AccountID]
	if a == nil {
		a = new(processAccount)
		p.accounts[s.AccountID] = a
	}
	if a.open && a.revision == s.Revision {
		defer p.mu.Unlock()
		return a.addresses, nil
	}
	a.tried = s.Revision
	p.mu.Unlock()

	var addresses []string
	err = p.call(ctx, "OpenAccount", p.timings.OpenAccount, func(ctx context.Context) error {
		resp, err := p.rpc.OpenAccount(ctx, connectorv1.OpenAccountRequest_builder{Settings: settingsOut(s)}.Build())
		addresses = resp.GetProviderAddresses()
		return err
	})
	if err != nil {
		return nil, explain(err)
	}
	if len(addresses) > maxProviderAddresses {
		return nil, model.Errorf(model.TooLarge, "open account", "the connector claims more than %d provider addresses", maxProviderAddresses)
	}
	for _, address := range addresses {
		if address == "" || len(address) > maxAddress {
			return nil, model.Errorf(model.Invalid, "open account", "the connector claims a provider address that is empty or over %d bytes", maxAddress)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a.open, a.revision, a.addresses = true, s.Revision, addresses
	return addresses, nil
}

// closeAccount closes an account. From its start the account is not the
// process's any more.
func (p *process) closeAccount(ctx context.Context, id model.AccountID) error {
	unlock, err := p.changing.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	p.mu.Lock()
	a := p.accounts[id]
	delete(p.accounts, id)
	p.mu.Unlock()
	if a == nil {
		return nil
	}
	return p.call(ctx, "CloseAccount", p.timings.CloseAccount, func(ctx context.Context) error {
		_, err := p.rpc.CloseAccount(ctx, connectorv1.CloseAccountRequest_builder{Account: accountOut(id, a.revision)}.Build())
		return err
	})
}

// validate asks the connector to judge settings.
func (p *process) validate(ctx context.Context, s *AccountSettings) ([]model.Fault, error) {
	if !p.desc.Can.ValidateAccount {
		return nil, nil
	}
	var faults []model.Fault
	err := p.call(ctx, "ValidateAccount", p.timings.Validate, func(ctx context.Context) error {
		resp, err := p.rpc.ValidateAccount(ctx, connectorv1.ValidateAccountRequest_builder{Settings: settingsOut(s)}.Build())
		faults = faultsIn(resp.GetFaults())
		return err
	})
	if err != nil {
		return nil, explain(err)
	}
	return faults, nil
}

// differs lists the accounts that the process should have and has not tried in
// that revision, and those that it has and should not have.
func (p *process) differs(want map[model.AccountID]AccountSettings) (open []AccountSettings, gone []model.AccountID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, s := range want {
		if a := p.accounts[id]; a == nil || a.tried != s.Revision {
			open = append(open, s)
		}
	}
	for id := range p.accounts {
		if _, ok := want[id]; !ok {
			gone = append(gone, id)
		}
	}
	return open, gone
}

// openAtOnce is how many accounts are opened at the same time: each may ask
// its provider, and a start should not take as long as their sum.
const openAtOnce = 8

// settle brings the accounts of a process to what is wanted and tells how each
// fared. One account's fault is not another's.
func (p *process) settle(ctx context.Context, open []AccountSettings, gone []model.AccountID) []AccountOpening {
	for _, id := range gone {
		if err := p.closeAccount(ctx, id); err != nil {
			p.log.Warn("an account could not be closed on its connector", telemetry.FieldPlugin, p.plugin, telemetry.FieldAccount, id, telemetry.FieldError, err)
		}
	}
	openings := make([]AccountOpening, len(open))
	slots := make(chan struct{}, openAtOnce)
	var wg sync.WaitGroup
	for i := range open {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			addresses, err := p.openAccount(ctx, &open[i])
			openings[i] = AccountOpening{
				Plugin: p.plugin, AccountID: open[i].AccountID, Revision: open[i].Revision,
				ProviderAddresses: addresses, Err: err,
			}
		})
	}
	wg.Wait()
	return openings
}

// keyLock is a lock for each key. Its zero value is ready for use.
type keyLock[K comparable] struct {
	mu   sync.Mutex
	held map[K]chan struct{} // closed when the holder lets go
}

// lock waits for the key, or for the end of the context.
func (l *keyLock[K]) lock(ctx context.Context, key K) (unlock func(), err error) {
	for {
		l.mu.Lock()
		if l.held == nil {
			l.held = make(map[K]chan struct{})
		}
		holder, busy := l.held[key]
		if !busy {
			mine := make(chan struct{})
			l.held[key] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-holder:
		case <-ctx.Done():
			return nil, model.Wrap(model.Unavailable, "wait for another change", ctx.Err())
		}
	}
}
