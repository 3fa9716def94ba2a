package hub

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
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
}

func (h *Hub) clientIDs() []model.ClientID {
	var ids []model.ClientID
	for _, c := range h.accounts.Clients() {
		ids = append(ids, c.ID)
	}
	return ids
}

// markLife is how long acknowledgements matter: as long as what was read is
// kept.
func (h *Hub) markLife(id model.ClientID) time.Duration {
	c, _ := h.accounts.Client(id)
	return c.Retention.Messages
}

// policies tells retention what the configuration says, and whose
// acknowledgements count.
type policies struct{ h *Hub }

// Policy implements retention.Policies.
func (p policies) Policy(ctx context.Context, id model.ClientID) (retention.Policy, error) {
	c, ok := p.h.accounts.Client(id)
	if !ok {
		return retention.Policy{}, model.Errorf(model.NotFound, "find client", "there is no such client")
	}
	consumers, err := p.h.tokens.Consumers(ctx, id)
	return retention.Policy{Client: id, Keep: c.Retention, Consumers: consumers}, err
}
