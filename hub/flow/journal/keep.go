package journal

import (
	"context"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Requests is the journal as the providers' listener sees it.
type Requests struct{ j *Journal }

// Requests returns the journal for providers' requests.
func (j *Journal) Requests() Requests { return Requests{j} }

// Active reports whether requests of the account must be kept because earlier
// ones wait. It costs no read.
func (q Requests) Active(plugin model.PluginID, account model.AccountID) bool {
	return q.j.active(store.JournalRoute{Plugin: plugin, Account: account})
}

// Keep makes a request durable that was verified already, with a secret of the
// given account. It waits in the log of the request's own route: of that
// account, or of the connector as a whole. model.Unavailable means that it is
// not durable, as when as much waits as may.
func (q Requests) Keep(ctx context.Context, plugin model.PluginID, account accounts.Account, req pluginhost.HTTPRequest) error {
	content, err := packRequest(req, account.ID)
	if err != nil {
		return err
	}
	return q.j.keep(ctx, store.JournalRoute{Plugin: plugin, Account: req.AccountID}, store.NewJournalEntry{
		Kind: store.JournalRequest, Received: req.ReceivedAt, Content: content,
	})
}

// Frames is the journal as the chat mount sees it.
type Frames struct{ j *Journal }

// Frames returns the journal for browsers' frames.
func (j *Journal) Frames() Frames { return Frames{j} }

// Keep makes a frame durable and returns true. Unless the connector is away it
// does so only while earlier frames of the account wait.
func (f Frames) Keep(ctx context.Context, plugin model.PluginID, frame pluginhost.SocketFrame, away bool) (bool, error) {
	route := store.JournalRoute{Plugin: plugin, Account: frame.AccountID}
	if !away && !f.j.active(route) {
		return false, nil
	}
	content, err := packFrame(frame)
	if err != nil {
		return false, err
	}
	err = f.j.keep(ctx, route, store.NewJournalEntry{
		Kind: store.JournalFrame, Received: frame.ReceivedAt, Content: content,
	})
	return err == nil, err
}

// keep appends an entry. From then on the route is in journal mode, until
// everything that it holds has been handed over: an entry that comes in while
// the last one is being handed over is counted before its caller is told.
func (j *Journal) keep(ctx context.Context, id store.JournalRoute, e store.NewJournalEntry) error {
	log, err := j.journals.Open(ctx, id)
	if err != nil {
		return err
	}
	r := j.route(log)
	if r.log.Waiting().Entries == 0 {
		j.Logger.Info("the journal takes in what the connector cannot", telemetry.FieldPlugin, id.Plugin, telemetry.FieldAccount, id.Account)
	}
	e.Expires = e.Received.Add(j.Keep)
	err = r.log.Append(ctx, e, j.Limit)
	if err == nil {
		j.Metrics.Journaled(string(id.Plugin), telemetry.JournalKept, 1)
	}
	j.measure(id.Plugin)
	j.poke()
	return err
}
