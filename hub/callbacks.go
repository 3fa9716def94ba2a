package hub

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/app"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// callbacks is how connectors' own calls reach the rooms.
type callbacks struct{ h *Hub }

var _ pluginhost.Callbacks = callbacks{}

func (c callbacks) PublishEvents(ctx context.Context, plugin model.PluginID, events []pluginhost.Event) []pluginhost.ItemResult {
	items := make([]pluginhost.Item, len(events))
	for i := range events {
		items[i].Event = &events[i]
	}
	return c.accept(ctx, plugin, items)
}

func (c callbacks) ReportStatus(ctx context.Context, plugin model.PluginID, reports []pluginhost.StatusReport) []pluginhost.ItemResult {
	items := make([]pluginhost.Item, len(reports))
	for i := range reports {
		items[i].Status = &reports[i]
	}
	return c.accept(ctx, plugin, items)
}

func (c callbacks) accept(ctx context.Context, plugin model.PluginID, items []pluginhost.Item) []pluginhost.ItemResult {
	errs := c.h.inbound.Accept(ctx, inbound.Source{Plugin: plugin, Received: time.Now()}, items)
	out := make([]pluginhost.ItemResult, len(errs))
	for i, err := range errs {
		if err != nil {
			out[i] = pluginhost.ItemResult{Code: model.CodeOf(err), Detail: model.CodeOf(err).Title()}
		}
	}
	return out
}

func (c callbacks) PushSocket(ctx context.Context, plugin model.PluginID, account model.AccountID, contact model.Address, frame []byte) (int, error) {
	return c.h.chat.PushSocket(ctx, plugin, account, contact, frame)
}

// rows returns the rows of an account's client, if the account is the
// plugin's (I8).
func (c callbacks) rows(ctx context.Context, plugin model.PluginID, id model.AccountID) (*store.Client, accounts.Account, error) {
	acct, ok := c.h.accounts.Account(id)
	if !ok || acct.Plugin != plugin {
		return nil, acct, model.Errorf(model.NotFound, "serve connector", "there is no such account")
	}
	client, err := c.h.store.Client(ctx, acct.Client)
	return client, acct, err
}

// file returns a file of one of the account's messages (I8).
func (c callbacks) file(ctx context.Context, plugin model.PluginID, account model.AccountID, id model.AttachmentID) (*store.Client, store.Attachment, error) {
	client, acct, err := c.rows(ctx, plugin, account)
	if err != nil {
		return nil, store.Attachment{}, err
	}
	a, err := client.Attachment(ctx, id)
	if err != nil && !model.Is(err, model.NotFound) {
		return nil, a, err
	}
	if err != nil || a.Account != acct.ID || a.Message == "" {
		return nil, a, model.Errorf(model.NotFound, "serve connector", "the account has no such attachment")
	}
	return client, a, nil
}

func (c callbacks) OpenAttachment(ctx context.Context, plugin model.PluginID, account model.AccountID, id model.AttachmentID) (model.Attachment, io.ReadCloser, error) {
	client, a, err := c.file(ctx, plugin, account, id)
	if err != nil {
		return model.Attachment{}, nil, err
	}
	body, err := c.h.media.Open(ctx, client.ID, a, 0)
	return a.View(time.Now()), body, err
}

func (c callbacks) SignAttachmentURL(ctx context.Context, plugin model.PluginID, account model.AccountID, id model.AttachmentID, ttl time.Duration) (string, time.Time, error) {
	client, a, err := c.file(ctx, plugin, account, id)
	if err != nil {
		return "", time.Time{}, err
	}
	signed, ok, err := c.h.media.Sign(ctx, client.ID, a, ttl)
	if err != nil || ok {
		return signed.URL, signed.Expires, err
	}
	return c.h.media.Link(ctx, client.ID, a, ttl)
}

func (c callbacks) GetState(ctx context.Context, plugin model.PluginID, account model.AccountID, key string) (*pluginhost.StateEntry, error) {
	client, acct, err := c.rows(ctx, plugin, account)
	if err != nil {
		return nil, err
	}
	s, err := client.State(ctx, acct.ID, key)
	if model.Is(err, model.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &pluginhost.StateEntry{Key: s.Key, Value: s.Value, Version: s.Version}, nil
}

func (c callbacks) PutState(ctx context.Context, plugin model.PluginID, account model.AccountID, key string, value []byte, expected uint64, ttl time.Duration) (uint64, error) {
	client, acct, err := c.rows(ctx, plugin, account)
	if err != nil {
		return 0, err
	}
	return client.PutState(ctx, acct.ID, store.State{Key: key, Value: value}, expected, ttl)
}

func (c callbacks) DeleteState(ctx context.Context, plugin model.PluginID, account model.AccountID, key string, expected uint64) error {
	client, acct, err := c.rows(ctx, plugin, account)
	if err != nil {
		return err
	}
	return client.DeleteState(ctx, acct.ID, key, expected)
}

func (c callbacks) ListState(ctx context.Context, plugin model.PluginID, account model.AccountID, prefix, after string, limit int) ([]pluginhost.StateEntry, bool, error) {
	client, acct, err := c.rows(ctx, plugin, account)
	if err != nil {
		return nil, false, err
	}
	all, err := client.States(ctx, acct.ID)
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(all, func(a, b store.State) int { return strings.Compare(a.Key, b.Key) })
	var out []pluginhost.StateEntry
	for _, s := range all {
		if !strings.HasPrefix(s.Key, prefix) || s.Key <= after {
			continue
		}
		if limit > 0 && len(out) == limit {
			return out, true, nil
		}
		out = append(out, pluginhost.StateEntry{Key: s.Key, Value: s.Value, Version: s.Version})
	}
	return out, false, nil
}

// connectors is the plugin host as the outbound flow uses it.
type connectors struct{ *pluginhost.Host }

func (c connectors) Ready(id model.PluginID) bool {
	switch c.StatusOf(id).State {
	case pluginhost.StateRunning, pluginhost.StateUnhealthy:
		return true
	case pluginhost.StateAbsent, pluginhost.StateDisabled, pluginhost.StateStarting,
		pluginhost.StateBackoff, pluginhost.StateQuarantined, pluginhost.StateDraining:
	}
	return false
}

// signals brings hints from the CSR's side to the channel.
type signals struct{ h *Hub }

func (s signals) Signal(ctx context.Context, client model.ClientID, conv store.Conversation, sig app.Signal) error {
	acct, ok := s.h.accounts.Account(conv.Account)
	if !ok {
		return nil
	}
	d, ok := s.h.plugins.Describe(acct.Plugin)
	if ok && d.Can.RenderSocket {
		return s.h.chat.Signal(ctx, client, conv.ID, sig.Kind, sig.Author, sig.UpTo)
	}
	if !ok || !d.Can.SendSignal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	return s.h.plugins.SendSignal(ctx, acct.Plugin, pluginhost.Signal{AccountID: acct.ID, To: conv.Addresses, Kind: sig.Kind})
}

const signalTimeout = 5 * time.Second
