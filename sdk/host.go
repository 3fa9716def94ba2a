package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// maxText is the longest text for an operator that the contract takes, in
// bytes.
const maxText = 512

// maxPublish is how many items the contract takes at once.
const maxPublish = 16

// Host is an account's way to the hub: Open gets one, and it serves until Close
// has returned. It is safe for concurrent use. Most connectors only hand it to
// providerhttp; those with connections of their own publish through it.
//
// All methods that take a context return [ErrUnavailable] when the hub cannot
// serve them now.
type Host struct {
	client   connectorv1.HostServiceClient
	account  *connectorv1.AccountRef
	config   json.RawMessage
	egress   []string
	redactor *redactor
}

// PluginConfig returns what the operator wrote under the plugin's own config,
// as a JSON object, or nil.
func (h *Host) PluginConfig() json.RawMessage { return h.config }

// Egress lists the hosts, some with a port, that the operator named: in the
// plugin's egress list and in settings of format "url". They may be private
// addresses; all others must not. providerhttp asks this.
func (h *Host) Egress() []string { return append([]string(nil), h.egress...) }

// Redact returns text without the secrets of any account this process has
// opened.
func (h *Host) Redact(text string) string {
	if h.redactor == nil {
		return text
	}
	return h.redactor.text(text, math.MaxInt)
}

// PublishEvents hands over events that came by a connection of the connector's
// own. It returns once they are durable; that it blocks is the backpressure.
// The results stand in the order of the events: nil is durable, [ErrInvalid]
// never will be, [ErrUnavailable] may be published again. The error is set
// when results are missing.
func (h *Host) PublishEvents(ctx context.Context, events ...Event) ([]error, error) {
	items := make([]*connectorv1.Event, 0, len(events))
	for i := range events {
		item, err := eventOut(&events[i], h.account.GetAccountId(), "")
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return inBatches(items, func(batch []*connectorv1.Event) ([]*connectorv1.ItemResult, error) {
		resp, err := h.client.PublishEvents(ctx, connectorv1.PublishEventsRequest_builder{Events: batch}.Build())
		return resp.GetResults(), hostError("publish events", err)
	})
}

// ReportStatus hands over receipts that came by a connection of the
// connector's own. It answers like PublishEvents.
func (h *Host) ReportStatus(ctx context.Context, reports ...StatusReport) ([]error, error) {
	items := make([]*connectorv1.StatusReport, 0, len(reports))
	for i := range reports {
		item, err := statusOut(&reports[i], h.account.GetAccountId(), "")
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return inBatches(items, func(batch []*connectorv1.StatusReport) ([]*connectorv1.ItemResult, error) {
		resp, err := h.client.ReportStatus(ctx, connectorv1.ReportStatusRequest_builder{Reports: batch}.Build())
		return resp.GetResults(), hostError("report status", err)
	})
}

// inBatches sends items in parts the contract takes, and stops at the first
// part that fails.
func inBatches[T any](items []T, send func([]T) ([]*connectorv1.ItemResult, error)) ([]error, error) {
	results := make([]error, 0, len(items))
	for len(items) > 0 {
		batch := items[:min(len(items), maxPublish)]
		items = items[len(batch):]
		answers, err := send(batch)
		if err != nil {
			return results, err
		}
		if len(answers) != len(batch) {
			return results, fmt.Errorf("the hub gave %d answers to %d items", len(answers), len(batch))
		}
		for _, answer := range answers {
			results = append(results, itemError(answer))
		}
	}
	return results, nil
}

func itemError(result *connectorv1.ItemResult) error {
	var base error
	switch result.GetCode() {
	case connectorv1.ItemResult_CODE_OK:
		return nil
	case connectorv1.ItemResult_CODE_INVALID:
		base = ErrInvalid
	case connectorv1.ItemResult_CODE_NOT_FOUND:
		base = ErrNotFound
	default:
		base = ErrUnavailable
	}
	return fmt.Errorf("%w: %s", base, result.GetDetail())
}

// PushSocket sends a frame that is not a message to the open sockets of a
// contact, and returns how many there were. It is best effort.
func (h *Host) PushSocket(ctx context.Context, contact Address, frame []byte) (int, error) {
	resp, err := h.client.PushSocket(ctx, connectorv1.PushSocketRequest_builder{
		Account: h.account, Contact: addressOut(contact), Frame: frame,
	}.Build())
	return int(resp.GetSockets()), hostError("push frame", err)
}

// OpenAttachment opens an attachment of a delivery, while its Send runs. The
// caller closes the file's body.
func (h *Host) OpenAttachment(ctx context.Context, attachmentID string) (*File, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := h.client.OpenAttachment(ctx, connectorv1.OpenAttachmentRequest_builder{
		Account: h.account, AttachmentId: &attachmentID,
	}.Build())
	if err != nil {
		cancel()
		return nil, hostError("open attachment", err)
	}
	first, err := stream.Recv()
	if err != nil {
		cancel()
		return nil, hostError("open attachment", err)
	}
	if !first.HasDescribed() {
		cancel()
		return nil, errors.New("open attachment: the hub did not describe the file")
	}
	body := &chunks{close: cancel, next: func() ([]byte, error) {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return part.GetChunk(), hostError("read attachment", err)
	}}
	return &File{Attachment: attachmentIn(first.GetDescribed()), Body: body}, nil
}

// chunks reads a stream of chunks as bytes.
type chunks struct {
	next  func() ([]byte, error)
	close context.CancelFunc
	rest  []byte
}

// Read implements [io.Reader].
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		chunk, err := c.next()
		if err != nil {
			return 0, err
		}
		c.rest = chunk
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (c *chunks) Close() error {
	c.close()
	return nil
}

// SignAttachmentURL returns a URL from which the provider can fetch an
// attachment of a delivery, and when it ends. ttl is at most 15 minutes.
func (h *Host) SignAttachmentURL(ctx context.Context, attachmentID string, ttl time.Duration) (url string, expires time.Time, err error) {
	resp, err := h.client.SignAttachmentURL(ctx, connectorv1.SignAttachmentURLRequest_builder{
		Account: h.account, AttachmentId: &attachmentID, Ttl: durationpb.New(ttl),
	}.Build())
	if err != nil {
		return "", time.Time{}, hostError("sign attachment URL", err)
	}
	return resp.GetUrl(), timeIn(resp.GetExpiresAt()), nil
}

// State is a small piece of an account's memory: it survives restarts and is
// sealed. A key is at most 128 bytes, a value at most 64 KiB, and an account
// holds at most 1,000 keys.
type State struct {
	Key     string
	Value   []byte
	Version uint64
}

// GetState reads a piece of state, or returns [ErrNotFound].
func (h *Host) GetState(ctx context.Context, key string) (State, error) {
	resp, err := h.client.GetState(ctx, connectorv1.GetStateRequest_builder{Account: h.account, Key: &key}.Build())
	if err != nil {
		return State{}, hostError("get state", err)
	}
	if !resp.HasEntry() {
		return State{}, fmt.Errorf("get state: %w", ErrNotFound)
	}
	return stateIn(resp.GetEntry()), nil
}

// PutState writes a piece of state and returns its new version. expected is
// the version that was read, or 0 when there was none; [ErrConflict] says that
// another write came first. A ttl of 0 keeps it for the life of the account.
func (h *Host) PutState(ctx context.Context, key string, value []byte, expected uint64, ttl time.Duration) (uint64, error) {
	req := connectorv1.PutStateRequest_builder{Account: h.account, Key: &key, Value: value, ExpectedVersion: &expected}.Build()
	if ttl > 0 {
		req.SetTtl(durationpb.New(ttl))
	}
	resp, err := h.client.PutState(ctx, req)
	return resp.GetVersion(), hostError("put state", err)
}

// DeleteState deletes a piece of state at the version that was read.
func (h *Host) DeleteState(ctx context.Context, key string, expected uint64) error {
	_, err := h.client.DeleteState(ctx, connectorv1.DeleteStateRequest_builder{
		Account: h.account, Key: &key, ExpectedVersion: &expected,
	}.Build())
	return hostError("delete state", err)
}

// ListState lists state in the order of its keys: at most limit pieces whose
// keys begin with prefix and come behind after. more says that there are
// others.
func (h *Host) ListState(ctx context.Context, prefix, after string, limit int) (entries []State, more bool, err error) {
	n := int32(min(limit, 1000))
	resp, err := h.client.ListState(ctx, connectorv1.ListStateRequest_builder{
		Account: h.account, Prefix: &prefix, After: &after, Limit: &n,
	}.Build())
	if err != nil {
		return nil, false, hostError("list state", err)
	}
	for _, entry := range resp.GetEntries() {
		entries = append(entries, stateIn(entry))
	}
	return entries, resp.GetMore(), nil
}

// PutSecret keeps a secret that the provider gave or renewed. The account is
// then opened again with it. [ErrReadOnly] says that it stands in the
// operator's configuration, [ErrConflict] that the settings have changed since
// this account was opened, [ErrInvalid] that it would not open with it: the
// name is no secret of the settings, or Validate has a fault to find.
func (h *Host) PutSecret(ctx context.Context, name string, value Secret) error {
	h.redactor.learn([]string{value.Reveal()})
	revision, plain := h.account.GetConfigRevision(), value.Reveal()
	_, err := h.client.PutSecret(ctx, connectorv1.PutSecretRequest_builder{
		Account: h.account, Name: &name, Value: &plain, ExpectedRevision: &revision,
	}.Build())
	return hostError("put secret", err)
}

// hostError turns a gRPC status into one of the package's errors.
func hostError(doing string, err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	var base error
	switch s.Code() {
	case codes.Canceled:
		base = context.Canceled
	case codes.DeadlineExceeded:
		base = context.DeadlineExceeded
	case codes.NotFound:
		base = ErrNotFound
	case codes.PermissionDenied:
		base = ErrDenied
	case codes.Aborted:
		base = ErrConflict
	case codes.FailedPrecondition:
		base = ErrReadOnly
	case codes.OutOfRange:
		base = ErrTooLarge
	case codes.InvalidArgument:
		base = ErrInvalid
	default:
		base = ErrUnavailable
	}
	return fmt.Errorf("%s: %w: %s", doing, base, s.Message())
}
