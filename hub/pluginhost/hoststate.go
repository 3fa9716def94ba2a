package pluginhost

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// GetState reads a piece of an account's small state.
func (h *hostServer) GetState(ctx context.Context, req *connectorv1.GetStateRequest) (*connectorv1.GetStateResponse, error) {
	account, err := h.stateKey(req.GetAccount(), req.GetKey())
	if err != nil {
		return nil, err
	}
	entry, err := h.callbacks.GetState(ctx, h.plugin, account, req.GetKey())
	if err != nil && !model.Is(err, model.NotFound) {
		return nil, err
	}
	return connectorv1.GetStateResponse_builder{Entry: stateOut(entry)}.Build(), nil
}

// PutState writes a piece of an account's small state.
func (h *hostServer) PutState(ctx context.Context, req *connectorv1.PutStateRequest) (*connectorv1.PutStateResponse, error) {
	account, err := h.stateKey(req.GetAccount(), req.GetKey())
	if err != nil {
		return nil, err
	}
	if len(req.GetValue()) > maxStateValue {
		return nil, badCall("a value has at most %d bytes", maxStateValue)
	}
	ttl := req.GetTtl()
	if ttl != nil && (ttl.CheckValid() != nil || ttl.AsDuration() < 0) {
		return nil, badCall("a time to live is not negative")
	}
	version, err := h.callbacks.PutState(ctx, h.plugin, account, req.GetKey(), req.GetValue(), req.GetExpectedVersion(), ttl.AsDuration())
	if err != nil {
		return nil, err
	}
	return connectorv1.PutStateResponse_builder{Version: new(version)}.Build(), nil
}

// DeleteState deletes a piece of an account's small state.
func (h *hostServer) DeleteState(ctx context.Context, req *connectorv1.DeleteStateRequest) (*connectorv1.DeleteStateResponse, error) {
	account, err := h.stateKey(req.GetAccount(), req.GetKey())
	if err != nil {
		return nil, err
	}
	if err := h.callbacks.DeleteState(ctx, h.plugin, account, req.GetKey(), req.GetExpectedVersion()); err != nil {
		return nil, err
	}
	return connectorv1.DeleteStateResponse_builder{}.Build(), nil
}

// ListState reads an account's small state in order of key.
func (h *hostServer) ListState(ctx context.Context, req *connectorv1.ListStateRequest) (*connectorv1.ListStateResponse, error) {
	account, err := h.account(req.GetAccount())
	if err != nil {
		return nil, err
	}
	if len(req.GetPrefix()) > maxStateKey || len(req.GetAfter()) > maxStateKey {
		return nil, badCall("a key has at most %d bytes", maxStateKey)
	}
	limit := int(req.GetLimit())
	if limit <= 0 || limit > maxStatePage {
		limit = maxStatePage
	}
	entries, more, err := h.callbacks.ListState(ctx, h.plugin, account, req.GetPrefix(), req.GetAfter(), limit)
	if err != nil {
		return nil, err
	}
	// A page is what fits a message; the connector asks on behind it.
	out := connectorv1.ListStateResponse_builder{More: new(more)}
	size := 0
	for i := range entries {
		size += len(entries[i].Key) + len(entries[i].Value) + 32
		if size > maxMessage-1024 {
			out.More = new(true)
			break
		}
		out.Entries = append(out.Entries, stateOut(&entries[i]))
	}
	return out.Build(), nil
}

// PutSecret keeps a secret that the provider gave or renewed.
func (h *hostServer) PutSecret(ctx context.Context, req *connectorv1.PutSecretRequest) (*connectorv1.PutSecretResponse, error) {
	account, err := h.account(req.GetAccount())
	if err != nil {
		return nil, err
	}
	if !secretName.MatchString(req.GetName()) {
		return nil, badCall("a secret's name has at most %d lower case letters, digits and underscores", maxSecretName)
	}
	if req.GetValue() == "" || len(req.GetValue()) > maxSecretValue {
		return nil, badCall("a secret has 1 to %d bytes", maxSecretValue)
	}
	if err := h.callbacks.PutSecret(ctx, h.plugin, account, req.GetName(), req.GetValue(), req.GetExpectedRevision()); err != nil {
		return nil, err
	}
	return connectorv1.PutSecretResponse_builder{}.Build(), nil
}

// stateKey returns the account of a call on its state, and checks the key.
func (h *hostServer) stateKey(ref *connectorv1.AccountRef, key string) (model.AccountID, error) {
	account, err := h.account(ref)
	if err != nil {
		return "", err
	}
	if key == "" || len(key) > maxStateKey {
		return "", badCall("a key has 1 to %d bytes", maxStateKey)
	}
	return account, nil
}
