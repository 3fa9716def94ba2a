package hub

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/removal"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// openRemoval makes what removes accounts and clients.
func (h *Hub) openRemoval() {
	h.remover = removal.New(removal.Options{
		Store: h.store, Configured: h.configured,
		RemoveFile: h.media.Remove, FileKind: retention.AttachmentKind, RemovePlace: h.places,
		DropJournal: h.journal.Drop, Undrained: h.journal.Undrained,
		Begun: h.known.begun, Ended: h.known.ended,
		Keep:   func() time.Duration { return h.config.Load().Retention.Audit.Std() },
		Logger: h.log.Named("removal"), Metrics: h.metrics,
	})
}

func (h *Hub) configured(client model.ClientID, account model.AccountID) bool {
	c, ok := h.config.Load().Clients[client]
	if ok && account != "" {
		_, ok = c.Accounts[account]
	}
	return ok
}

// removing finds what a configuration names although it is being removed: that
// must have ended before it can come back.
func (h *Hub) removing(ctx context.Context, cfg *config.Config) ([]model.Fault, error) {
	all, err := h.store.Removals(ctx)
	if err != nil {
		return nil, err
	}
	var faults []model.Fault
	for _, m := range all {
		c, named := cfg.Clients[m.Client]
		path := []string{"clients", string(m.Client)}
		if named && m.Account != "" {
			_, named = c.Accounts[m.Account]
			path = append(path, "accounts", string(m.Account))
		}
		if named && m.Step != store.RemovalDone {
			faults = append(faults, model.Fault{
				Field:  cfg.Where(path...) + ": " + strings.Join(path, "."),
				Detail: "it is being removed; take it out until that is done",
			})
		}
	}
	return faults, nil
}

func faultsError(faults []model.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("apply configuration: %s: %s", faults[0].Field, faults[0].Detail)
}

// known is the clients that the configuration has ever named. It is safe for
// concurrent use.
type known struct {
	mu      sync.Mutex
	clients map[model.ClientID]knownClient
}

type knownClient struct {
	keyID    string // its own root key; empty: the default
	removing bool
}

// dropped are the clients that the configuration does not name any more and
// that nobody removes.
func (k *known) dropped(cfg *config.Config) []model.ClientID {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []model.ClientID
	for _, id := range slices.Sorted(maps.Keys(k.clients)) {
		if _, named := cfg.Clients[id]; !named && !k.clients[id].removing {
			ids = append(ids, id)
		}
	}
	return ids
}

// keyID is the root key of a client that was dropped, if it had one of its own.
func (k *known) keyID(cfg *config.Config, id model.ClientID) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, named := cfg.Clients[id]
	own := k.clients[id].keyID
	return own, !named && own != ""
}

// begun has nobody look after a client that goes.
func (k *known) begun(m store.Removal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.clients[m.Client]; ok && m.Account == "" {
		c.removing = true
		k.clients[m.Client] = c
	}
}

// ended forgets a client that is gone.
func (k *known) ended(m store.Removal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.Account == "" {
		delete(k.clients, m.Client)
	}
}

// noteKnown makes what a configuration names known, before it is in force.
func (h *Hub) noteKnown(ctx context.Context, cfg *config.Config) error {
	have, err := h.store.Known(ctx)
	if err != nil {
		return err
	}
	removals, err := h.store.Removals(ctx)
	if err != nil {
		return err
	}
	clients := map[model.ClientID]knownClient{}
	for _, c := range have.Clients {
		clients[c.ID] = knownClient{keyID: c.KeyID}
	}
	for _, m := range removals {
		if c, ok := clients[m.Client]; ok && m.Account == "" && m.Step != store.RemovalDone {
			c.removing = true
			clients[m.Client] = c
		}
	}
	for id, c := range cfg.Clients {
		if err := h.noteClient(ctx, have, id, c); err != nil {
			return err
		}
		clients[id] = knownClient{keyID: c.KMSKeyID}
	}
	h.known.mu.Lock()
	defer h.known.mu.Unlock()
	h.known.clients = clients
	return nil
}

func (h *Hub) noteClient(ctx context.Context, have store.Known, id model.ClientID, c config.Client) error {
	was, ok := have.Client(id)
	if !ok || was.KeyID != c.KMSKeyID {
		if !ok {
			was = store.KnownClient{ID: id, Since: time.Now()}
		}
		was.KeyID = c.KMSKeyID
		if err := h.store.NoteClient(ctx, was); err != nil {
			return err
		}
	}
	noted := have.Of(id)
	for account := range c.Accounts {
		if slices.Contains(noted, account) {
			continue
		}
		if err := h.store.NoteAccount(ctx, id, account); err != nil {
			return err
		}
	}
	return nil
}
