package hub

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// openRetention makes what ends and removes content.
func (h *Hub) openRetention() {
	policies := policies{h}
	h.ends = retention.NewEnds(&retention.EndsOptions{Policies: policies})
	h.sweeper = retention.NewSweeper(retention.SweeperOptions{
		Store: h.store, Ends: h.ends, Policies: policies, Clients: h.clientIDs,
		Logger: h.log.Named("retention"), Metrics: h.metrics,
		Swept: func(_ context.Context, client model.ClientID, class retention.Class, n int) {
			h.counts.Swept(client, string(class), n)
		},
	})
	h.sweeper.Resume(outbound.DueReplay, h.resumeReplay)
	h.sweeper.Resume(inbound.DueContext, h.sweepContext)
}

// sweepContext ends the context of sessions, once inbound is there.
func (h *Hub) sweepContext(ctx context.Context, client *store.Client, d store.Due) error {
	if !h.wired.Load() {
		return model.Errorf(model.Unavailable, "remove session context", "the hub is starting")
	}
	return h.inbound.SweepContext(ctx, client, d)
}

// clientIDs are the clients that the sweeper looks after: also those that the
// configuration has dropped, whose data ends all the same.
func (h *Hub) clientIDs() []model.ClientID {
	ids := h.known.dropped(h.config.Load())
	for _, c := range h.accounts.Clients() {
		ids = append(ids, c.ID)
	}
	return ids
}

// retentionFor is what a client's data lives by. A client that was dropped has
// the defaults.
func (h *Hub) retentionFor(id model.ClientID) model.Retention {
	if c, ok := h.accounts.Client(id); ok {
		return c.Retention
	}
	return retentionOf(h.config.Load().RetentionOf(id))
}

// markLife is how long acknowledgements matter: as long as what was read is
// kept.
func (h *Hub) markLife(id model.ClientID) time.Duration {
	return h.retentionFor(id).Messages
}

// policies tells retention what the configuration says, and whose
// acknowledgements count.
type policies struct{ h *Hub }

// Policy implements retention.Policies.
func (p policies) Policy(ctx context.Context, id model.ClientID) (retention.Policy, error) {
	consumers, err := p.h.tokens.Consumers(ctx, id)
	return retention.Policy{Client: id, Keep: p.h.retentionFor(id), Consumers: consumers}, err
}
