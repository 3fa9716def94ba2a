package hub

import (
	"context"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/admin"
	"github.com/channelhub/channelhub/hub/flow/journal"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// newJournal makes the journal. It needs inbound, and replays through ingress,
// which is made after it.
func (h *Hub) newJournal() *journal.Journal {
	return journal.New(journal.Options{
		Store: h.store, Connectors: h.plugins, Ready: h.takes, Accept: h.inbound.Accept,
		Accounts: h.accounts,
		Commit: func(ctx context.Context, plugin model.PluginID, account model.AccountID, received time.Time, res pluginhost.HTTPResult) (pluginhost.HTTPReply, error) {
			return h.ingress.Commit(ctx, plugin, account, received, res)
		},
		Logger: h.log.Named("journal"), Metrics: h.metrics,
	})
}

// takes reports whether a connector takes calls for an account, or as a whole.
func (h *Hub) takes(plugin model.PluginID, account model.AccountID) bool {
	if account == "" {
		return (connectors{h.plugins}).Ready(plugin)
	}
	open := []accounts.State{accounts.Open, accounts.Degraded, accounts.BadCredentials, accounts.Blocked, accounts.Unreachable}
	return (connectors{h.plugins}).Ready(plugin) && slices.Contains(open, h.accounts.Status(account).State)
}

// journalFace shows the journal to operators.
type journalFace struct{ *journal.Journal }

// Entries implements admin.Journal.
func (f journalFace) Entries(ctx context.Context, plugin model.PluginID, cursor string, limit int) ([]admin.JournalEntry, string, error) {
	entries, next, err := f.Journal.Entries(ctx, plugin, cursor, limit)
	out := make([]admin.JournalEntry, len(entries))
	for i, e := range entries {
		out[i] = admin.JournalEntry{
			ID: e.ID, Plugin: e.Route.Plugin, AccountID: e.Route.Account, Mount: string(mountOf(e)),
			ReceivedAt: model.At(e.Received), ExpiresAt: model.At(e.Expires), Bytes: e.Size,
		}
	}
	return out, next, err
}

func mountOf(e journal.Entry) pluginhost.Mount {
	switch {
	case e.Kind == store.JournalFrame:
		return pluginhost.MountChat
	case e.Route.Account == "":
		return pluginhost.MountInApp
	default:
		return pluginhost.MountInAccount
	}
}
