package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// recallTimeout bounds the writing of a descriptor.
const recallTimeout = 10 * time.Second

// recalled is what connectors said of themselves, to this process or an
// earlier one. A hub that starts while a connector is away knows from it which
// routes to take in, and how to verify them.
type recalled struct {
	mu  sync.Mutex
	per map[model.PluginID]json.RawMessage
}

// recall reads what earlier processes heard.
func (h *Hub) recall(ctx context.Context) error {
	all, err := h.store.Descriptors(ctx)
	if err != nil {
		return err
	}
	h.recalled.mu.Lock()
	defer h.recalled.mu.Unlock()
	h.recalled.per = all
	return nil
}

// recollect returns what is known of a connector.
func (h *Hub) recollect(id model.PluginID) (desc pluginhost.Descriptor, ok bool) {
	h.recalled.mu.Lock()
	defer h.recalled.mu.Unlock()
	kept, ok := h.recalled.per[id]
	if !ok {
		return desc, false
	}
	// One that another version wrote and this one cannot read is none.
	return desc, json.Unmarshal(kept, &desc) == nil
}

// remember keeps what a connector says of itself now. Assets and schemas, which
// nothing needs while it is away, would not fit a row.
func (h *Hub) remember(ctx context.Context, id model.PluginID) {
	desc, ok := h.plugins.Describe(id)
	if !ok || desc.Recalled {
		return
	}
	desc.Assets, desc.ConfigSchema, desc.SecretsSchema = nil, nil, nil
	next, err := json.Marshal(desc)
	if err != nil {
		return // plain fields
	}
	h.recalled.mu.Lock()
	defer h.recalled.mu.Unlock()
	if bytes.Equal(next, h.recalled.per[id]) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	if err := h.store.PutDescriptor(ctx, id, next); err != nil {
		h.log.Warn("a connector's descriptor could not be kept", "plugin", id, "error", err)
		return
	}
	if h.recalled.per == nil {
		h.recalled.per = map[model.PluginID]json.RawMessage{}
	}
	h.recalled.per[id] = next
}
