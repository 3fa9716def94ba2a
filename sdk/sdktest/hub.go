package sdktest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/channelhub/channelhub/sdk/proto"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// The limits of an account's state, as the real hub has them.
const (
	maxKey   = 128
	maxValue = 64 << 10
	maxKeys  = 1000
	maxItems = 16
)

// maxLink is how long a signed attachment URL may serve.
const maxLink = 15 * time.Minute

// hub is a fake hub: HostService in memory, on a real Unix socket under mutual
// TLS. It keeps the contract's rules, so that a connector that breaks one
// learns it here. It is safe for concurrent use.
type hub struct {
	connectorv1.UnimplementedHostServiceServer
	attach *connectorv1.AttachRequest
	server *grpc.Server

	mu       sync.Mutex
	accounts map[string]*hubAccount
}

// hubAccount is what the fake hub keeps for an account.
type hubAccount struct {
	events  []*connectorv1.Event
	reports []*connectorv1.StatusReport
	frames  [][]byte
	state   map[string]*connectorv1.StateEntry
	version uint64
	secrets map[string]string
	files   map[string]*file
}

// file is an attachment that a delivery may refer to.
type file struct {
	described *connectorv1.Attachment
	body      []byte
}

func startHub(t *testing.T) *hub {
	t.Helper()
	// Not t.TempDir: a test's name can make its path longer than a socket's
	// may be.
	dir, err := os.MkdirTemp("", "hub")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "host.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	authority := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority.pem)
	serverPair := authority.issue(t, proto.HostName)
	pair, err := tls.X509KeyPair(serverPair.certificate, serverPair.key)
	if err != nil {
		t.Fatal(err)
	}
	client := authority.issue(t, "connector")
	h := &hub{
		accounts: map[string]*hubAccount{},
		attach: connectorv1.AttachRequest_builder{
			HostSocket: &socket, ClientCertificate: client.certificate, ClientKey: client.key, HostAuthority: authority.pem,
		}.Build(),
		server: grpc.NewServer(
			grpc.Creds(credentials.NewTLS(&tls.Config{
				Certificates: []tls.Certificate{pair},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    pool,
				MinVersion:   tls.VersionTLS13,
			})),
			grpc.MaxRecvMsgSize(proto.MaxMessage), grpc.MaxSendMsgSize(proto.MaxMessage)),
	}
	connectorv1.RegisterHostServiceServer(h.server, h)
	go func() { _ = h.server.Serve(listener) }()
	t.Cleanup(h.server.Stop)
	return h
}

// add makes an account known.
func (h *hub) add(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accounts[id] = &hubAccount{state: map[string]*connectorv1.StateEntry{}, secrets: map[string]string{}, files: map[string]*file{}}
}

// give puts a file where OpenAttachment finds it.
func (h *hub) give(account string, f *file) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accounts[account].files[f.described.GetId()] = f
}

// with runs f on an account while nobody else does.
func (h *hub) with(id string, f func(*hubAccount) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	account, ok := h.accounts[id]
	if !ok {
		return status.Error(codes.NotFound, "no such account")
	}
	return f(account)
}

// judge answers one item.
func (h *hub) judge(id string, fault string, take func(*hubAccount)) *connectorv1.ItemResult {
	code := connectorv1.ItemResult_CODE_OK
	err := h.with(id, func(a *hubAccount) error {
		if fault == "" {
			take(a)
		}
		return nil
	})
	switch {
	case err != nil:
		code, fault = connectorv1.ItemResult_CODE_NOT_FOUND, "no such account"
	case fault != "":
		code = connectorv1.ItemResult_CODE_INVALID
	}
	return connectorv1.ItemResult_builder{Code: &code, Detail: &fault}.Build()
}

// PublishEvents implements the contract.
func (h *hub) PublishEvents(_ context.Context, req *connectorv1.PublishEventsRequest) (*connectorv1.PublishEventsResponse, error) {
	if len(req.GetEvents()) > maxItems {
		return nil, status.Error(codes.InvalidArgument, "too many events")
	}
	var results []*connectorv1.ItemResult
	for _, event := range req.GetEvents() {
		results = append(results, h.judge(event.GetAccountId(), eventFault(event), func(a *hubAccount) {
			if !slices.ContainsFunc(a.events, func(e *connectorv1.Event) bool { return e.GetDedupeKey() == event.GetDedupeKey() }) {
				a.events = append(a.events, event)
			}
		}))
	}
	return connectorv1.PublishEventsResponse_builder{Results: results}.Build(), nil
}

// ReportStatus implements the contract.
func (h *hub) ReportStatus(_ context.Context, req *connectorv1.ReportStatusRequest) (*connectorv1.ReportStatusResponse, error) {
	if len(req.GetReports()) > maxItems {
		return nil, status.Error(codes.InvalidArgument, "too many reports")
	}
	var results []*connectorv1.ItemResult
	for _, report := range req.GetReports() {
		results = append(results, h.judge(report.GetAccountId(), statusFault(report), func(a *hubAccount) {
			a.reports = append(a.reports, report)
		}))
	}
	return connectorv1.ReportStatusResponse_builder{Results: results}.Build(), nil
}

// PushSocket implements the contract: every contact has one socket.
func (h *hub) PushSocket(_ context.Context, req *connectorv1.PushSocketRequest) (*connectorv1.PushSocketResponse, error) {
	err := h.with(req.GetAccount().GetAccountId(), func(a *hubAccount) error {
		a.frames = append(a.frames, req.GetFrame())
		return nil
	})
	sockets := int32(1)
	return connectorv1.PushSocketResponse_builder{Sockets: &sockets}.Build(), err
}

// OpenAttachment implements the contract.
func (h *hub) OpenAttachment(req *connectorv1.OpenAttachmentRequest, stream connectorv1.HostService_OpenAttachmentServer) error {
	found, err := h.file(req.GetAccount().GetAccountId(), req.GetAttachmentId())
	if err != nil {
		return err
	}
	if err := stream.Send(connectorv1.OpenAttachmentResponse_builder{Described: found.described}.Build()); err != nil {
		return err
	}
	for chunk := range slices.Chunk(found.body, 256<<10) {
		if err := stream.Send(connectorv1.OpenAttachmentResponse_builder{Chunk: chunk}.Build()); err != nil {
			return err
		}
	}
	return nil
}

func (h *hub) file(account, id string) (found *file, err error) {
	err = h.with(account, func(a *hubAccount) error {
		var ok bool
		if found, ok = a.files[id]; !ok {
			return status.Error(codes.NotFound, "no such attachment")
		}
		return nil
	})
	return found, err
}

// SignAttachmentURL implements the contract. Nobody serves the URL.
func (h *hub) SignAttachmentURL(_ context.Context, req *connectorv1.SignAttachmentURLRequest) (*connectorv1.SignAttachmentURLResponse, error) {
	if _, err := h.file(req.GetAccount().GetAccountId(), req.GetAttachmentId()); err != nil {
		return nil, err
	}
	ttl := req.GetTtl().AsDuration()
	if ttl <= 0 || ttl > maxLink {
		return nil, status.Error(codes.InvalidArgument, "ttl must be at most 15 minutes")
	}
	link := "https://hub.example/a/" + url.PathEscape(req.GetAttachmentId())
	return connectorv1.SignAttachmentURLResponse_builder{Url: &link, ExpiresAt: timestamppb.New(time.Now().Add(ttl))}.Build(), nil
}

// GetState implements the contract.
func (h *hub) GetState(_ context.Context, req *connectorv1.GetStateRequest) (*connectorv1.GetStateResponse, error) {
	resp := &connectorv1.GetStateResponse{}
	err := h.with(req.GetAccount().GetAccountId(), func(a *hubAccount) error {
		resp.SetEntry(a.state[req.GetKey()])
		return nil
	})
	return resp, err
}

// PutState implements the contract. Nothing ends by its ttl here.
func (h *hub) PutState(_ context.Context, req *connectorv1.PutStateRequest) (*connectorv1.PutStateResponse, error) {
	key := req.GetKey()
	if key == "" || len(key) > maxKey || len(req.GetValue()) > maxValue {
		return nil, status.Errorf(codes.InvalidArgument, "a key has 1 to %d bytes, a value at most %d", maxKey, maxValue)
	}
	resp := &connectorv1.PutStateResponse{}
	err := h.with(req.GetAccount().GetAccountId(), func(a *hubAccount) error {
		old, ok := a.state[key]
		switch {
		case old.GetVersion() != req.GetExpectedVersion():
			return status.Error(codes.Aborted, "another write came first")
		case !ok && len(a.state) == maxKeys:
			return status.Errorf(codes.ResourceExhausted, "an account holds at most %d keys", maxKeys)
		}
		a.version++
		version := a.version
		a.state[key] = connectorv1.StateEntry_builder{Key: &key, Value: req.GetValue(), Version: &version}.Build()
		resp.SetVersion(version)
		return nil
	})
	return resp, err
}

// DeleteState implements the contract.
func (h *hub) DeleteState(_ context.Context, req *connectorv1.DeleteStateRequest) (*connectorv1.DeleteStateResponse, error) {
	return &connectorv1.DeleteStateResponse{}, h.with(req.GetAccount().GetAccountId(), func(a *hubAccount) error {
		if a.state[req.GetKey()].GetVersion() != req.GetExpectedVersion() {
			return status.Error(codes.Aborted, "another write came first")
		}
		delete(a.state, req.GetKey())
		return nil
	})
}

// ListState implements the contract.
func (h *hub) ListState(_ context.Context, req *connectorv1.ListStateRequest) (*connectorv1.ListStateResponse, error) {
	resp := &connectorv1.ListStateResponse{}
	err := h.with(req.GetAccount().GetAccountId(), func(a *hubAccount) error {
		var entries []*connectorv1.StateEntry
		for _, key := range slices.Sorted(maps.Keys(a.state)) {
			if strings.HasPrefix(key, req.GetPrefix()) && key > req.GetAfter() {
				entries = append(entries, a.state[key])
			}
		}
		if limit := int(req.GetLimit()); limit > 0 && len(entries) > limit {
			entries = entries[:limit]
			resp.SetMore(true)
		}
		resp.SetEntries(entries)
		return nil
	})
	return resp, err
}

// PutSecret implements the contract.
func (h *hub) PutSecret(_ context.Context, req *connectorv1.PutSecretRequest) (*connectorv1.PutSecretResponse, error) {
	return &connectorv1.PutSecretResponse{}, h.with(req.GetAccount().GetAccountId(), func(a *hubAccount) error {
		a.secrets[req.GetName()] = req.GetValue()
		return nil
	})
}

// eventFault says what the hub would refuse about an event.
func eventFault(e *connectorv1.Event) string {
	switch {
	case e.GetDedupeKey() == "" || len(e.GetDedupeKey()) > 512:
		return "a dedupe key has 1 to 512 bytes"
	case len(e.GetAddresses()) == 0:
		return "an event needs a contact address"
	case !e.HasKind():
		return "an event needs a body"
	case sizeOf(e) > 128<<10:
		return "an event is at most 128 KiB"
	}
	for _, address := range slices.Concat(e.GetAddresses(), e.GetLinks()) {
		if address.GetKind() == "" || address.GetValue() == "" || len(address.GetValue()) > 256 {
			return "an address has a kind, and a value of 1 to 256 bytes"
		}
	}
	for _, attachment := range e.GetMessage().GetAttachments() {
		if len(attachment.GetFetchRef()) > 4<<10 {
			return "a fetch_ref is at most 4 KiB"
		}
	}
	return ""
}

// statusFault says what the hub would refuse about a receipt.
func statusFault(s *connectorv1.StatusReport) string {
	switch {
	case s.GetStatus() == connectorv1.StatusKind_STATUS_KIND_UNSPECIFIED:
		return "a receipt needs a status"
	case !s.HasTarget():
		return "a receipt needs a target"
	}
	return ""
}

// itemFault says what the hub would refuse about something a request told.
func itemFault(item *connectorv1.Item, verified []string) string {
	id, fault := item.GetEvent().GetAccountId(), ""
	switch item.WhichItem() {
	case connectorv1.Item_Event_case:
		fault = eventFault(item.GetEvent())
	case connectorv1.Item_Status_case:
		id, fault = item.GetStatus().GetAccountId(), statusFault(item.GetStatus())
	default:
		return "an item is an event or a receipt"
	}
	if fault == "" && !slices.Contains(verified, id) {
		return fmt.Sprintf("account %q was not verified", id)
	}
	return fault
}
