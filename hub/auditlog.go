package hub

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/audit"
)

// openAudit makes what keeps the audit log.
func (h *Hub) openAudit() {
	h.acts = audit.New(h.store)
	h.keeper = audit.NewKeeper(audit.KeeperOptions{
		Store: h.store, Counts: h.counts, Sink: h.sink, Logger: h.log.Named("audit"), Metrics: h.metrics,
		Keep: func() time.Duration { return h.config.Load().Retention.Audit.Std() },
	})
}

// refused counts calls that were refused.
func (h *Hub) refused(p access.Principal, pattern string, status int) {
	h.counts.Refusal(audit.By{Token: p.Token, Role: string(p.Role)}, pattern, status)
}

// reloadUnasked reloads because a file changed or a signal came, which is an
// act like any other: it is recorded, or does not begin.
func (h *Hub) reloadUnasked(ctx context.Context) {
	var failed error // which Reload has logged
	err := h.acts.Around(ctx, audit.Hub, audit.ConfigReload, "config", func(ctx context.Context) error {
		_, failed = h.Reload(ctx)
		return failed
	})
	if err != nil && failed == nil {
		h.log.Error("a changed configuration is not in force, or the audit log does not say that it is", "error", err)
	}
}
