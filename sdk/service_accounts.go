package sdk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// ValidateAccount implements the contract.
func (s *server[C, A]) ValidateAccount(_ context.Context, req *connectorv1.ValidateAccountRequest) (*connectorv1.ValidateAccountResponse, error) {
	_, faults, _ := s.decode(req.GetSettings())
	return connectorv1.ValidateAccountResponse_builder{Faults: faultsOut(faults, func(detail string) string {
		return s.redactor.text(detail, maxText)
	})}.Build(), nil
}

// decode reads an account's settings and has them judged. egress lists the
// hosts they name.
func (s *server[C, A]) decode(in *connectorv1.AccountSettings) (_ Account[C], faults []Fault, egress []string) {
	out := Account[C]{ID: in.GetAccount().GetAccountId(), ExternalURL: in.GetExternalUrl()}
	secrets := map[string][]string{}
	for _, secret := range in.GetSecrets() {
		secrets[secret.GetName()] = secret.GetValues()
		s.redactor.learn(secret.GetValues())
	}
	faults, egress = decodeSettings(reflect.ValueOf(&out.Settings).Elem(), s.settings, in.GetConfig(), secrets)
	if len(faults) == 0 && s.connector.Validate != nil {
		faults = s.connector.Validate(out)
	}
	return out, faults, egress
}

// OpenAccount implements the contract.
func (s *server[C, A]) OpenAccount(ctx context.Context, req *connectorv1.OpenAccountRequest) (*connectorv1.OpenAccountResponse, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	ref := req.GetSettings().GetAccount()
	if !validName.MatchString(ref.GetAccountId()) {
		return nil, status.Error(codes.InvalidArgument, "the account id must match [a-z0-9-]{1,40}")
	}
	release, err := s.accounts.exclusive(ctx, ref.GetAccountId())
	if err != nil {
		return nil, status.FromContextError(err).Err()
	}
	defer release()

	if current, ok := s.accounts.acquire(ref.GetAccountId()); ok {
		defer s.accounts.release(current)
		if current.revision >= ref.GetConfigRevision() {
			return opened(current.addresses), nil
		}
	}
	a, err := s.open(s.withAccount(ctx, "Open", ref.GetAccountId()), req.GetSettings())
	if err != nil {
		return nil, err
	}
	if err := s.accounts.put(a); err != nil {
		s.closeAccount(context.WithoutCancel(ctx), a)
		return nil, status.Errorf(codes.AlreadyExists, "open account: %v", err)
	}
	return opened(a.addresses), nil
}

func opened(addresses []string) *connectorv1.OpenAccountResponse {
	return connectorv1.OpenAccountResponse_builder{ProviderAddresses: addresses}.Build()
}

// open runs the author's Open.
func (s *server[C, A]) open(ctx context.Context, in *connectorv1.AccountSettings) (*account[A], error) {
	link, err := s.attached()
	if err != nil {
		return nil, err
	}
	settings, faults, egress := s.decode(in)
	if len(faults) > 0 {
		var all []string
		for _, fault := range faults {
			all = append(all, fault.Field+" "+fault.Detail)
		}
		return nil, status.Error(codes.InvalidArgument, s.redactor.text("settings: "+strings.Join(all, "; "), maxText))
	}
	a := &account[A]{
		id:       in.GetAccount().GetAccountId(),
		revision: in.GetAccount().GetConfigRevision(),
		host: &Host{
			client:   link.client,
			account:  in.GetAccount(),
			config:   link.config,
			egress:   append(egress, link.egress...),
			redactor: s.redactor,
		},
	}
	if a.value, err = s.connector.Open(ctx, a.host, settings); err != nil {
		return nil, status.Error(openCode(err), s.clean(fmt.Errorf("open account: %w", err)))
	}
	if s.connector.Addresses != nil {
		a.addresses = s.connector.Addresses(a.value)
	}
	return a, nil
}

// openCode says whether opening may work later as it is.
func openCode(err error) codes.Code {
	var outcome *OutcomeError
	if errors.As(err, &outcome) && outcome.Kind == OutcomeRejected {
		return codes.PermissionDenied
	}
	return codes.Unavailable
}

// CloseAccount implements the contract.
func (s *server[C, A]) CloseAccount(ctx context.Context, req *connectorv1.CloseAccountRequest) (*connectorv1.CloseAccountResponse, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	id := req.GetAccount().GetAccountId()
	release, err := s.accounts.exclusive(ctx, id)
	if err != nil {
		return nil, status.FromContextError(err).Err()
	}
	defer release()
	if err := s.accounts.retire(ctx, id); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return &connectorv1.CloseAccountResponse{}, nil
}

// CheckHealth implements the contract.
func (s *server[C, A]) CheckHealth(ctx context.Context, req *connectorv1.CheckHealthRequest) (*connectorv1.CheckHealthResponse, error) {
	if s.connector.Probe == nil {
		return nil, missing("Probe")
	}
	ctx, a, leave, err := s.use(ctx, "Probe", req.GetAccount())
	if err != nil {
		return nil, err
	}
	defer leave()
	health := s.connector.Probe(a.value, ctx)
	return connectorv1.CheckHealthResponse_builder{
		State:  opt(healthOut[health.State]),
		Detail: text(s.redactor.text(health.Detail, maxText)),
	}.Build(), nil
}

// missing refuses a call that the descriptor does not offer.
func missing(function string) error {
	return status.Errorf(codes.Unimplemented, "this connector has no %s", function)
}
