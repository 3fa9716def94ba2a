package pluginhost

import (
	"context"
	"io"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// noCallbacks refuses whatever a connector asks: it serves probes, which have
// no accounts, and hosts without a hub.
type noCallbacks struct{}

var _ Callbacks = noCallbacks{}

func refusal() error {
	return model.Errorf(model.NotFound, "serve connector", "there is no such account")
}

func (noCallbacks) PublishEvents(_ context.Context, _ model.PluginID, events []Event) []ItemResult {
	return refuseAll(len(events))
}

func (noCallbacks) ReportStatus(_ context.Context, _ model.PluginID, reports []StatusReport) []ItemResult {
	return refuseAll(len(reports))
}

func refuseAll(n int) []ItemResult {
	out := make([]ItemResult, n)
	for i := range out {
		out[i].Code = model.NotFound
	}
	return out
}

func (noCallbacks) PushSocket(context.Context, model.PluginID, model.AccountID, model.Address, []byte) (int, error) {
	return 0, refusal()
}

func (noCallbacks) OpenAttachment(context.Context, model.PluginID, model.AccountID, model.AttachmentID) (model.Attachment, io.ReadCloser, error) {
	return model.Attachment{}, nil, refusal()
}

func (noCallbacks) SignAttachmentURL(context.Context, model.PluginID, model.AccountID, model.AttachmentID, time.Duration) (string, time.Time, error) {
	return "", time.Time{}, refusal()
}

func (noCallbacks) GetState(context.Context, model.PluginID, model.AccountID, string) (*StateEntry, error) {
	return nil, refusal()
}

func (noCallbacks) PutState(context.Context, model.PluginID, model.AccountID, string, []byte, uint64, time.Duration) (uint64, error) {
	return 0, refusal()
}

func (noCallbacks) DeleteState(context.Context, model.PluginID, model.AccountID, string, uint64) error {
	return refusal()
}

func (noCallbacks) ListState(context.Context, model.PluginID, model.AccountID, string, string, int) ([]StateEntry, bool, error) {
	return nil, false, refusal()
}

func (noCallbacks) PutSecret(context.Context, model.PluginID, model.AccountID, string, string, uint64) error {
	return refusal()
}
