// Package awsconfig is the one loader of AWS configuration: what every driver
// that speaks to AWS shares.
//
// It decides the region, the credentials, TLS, time-outs, and that the SDK
// never retries: only the portable types of the ports do. It also turns the
// SDK's errors into the hub's codes, and can record every operation that the
// hub sends, so that a test can hold the list against the IAM policies.
package awsconfig

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// connectTimeout bounds the dial and the TLS handshake, each. A region's
	// endpoint answers within milliseconds; what takes longer is away.
	connectTimeout = 3 * time.Second
	// answerTimeout bounds the wait for the first byte of an answer once the
	// request is sent, for callers whose context ends later or never.
	answerTimeout = 10 * time.Second
	// idlePerHost keeps connections for what runs side by side. The SDK's 10
	// would open and close connections all the time under load.
	idlePerHost = 256
	// roleSession is how long an assumed role holds: the most that a role
	// assumed from another role may have.
	roleSession = time.Hour
	// roleRefresh is how long before its end a session of the hub is renewed.
	roleRefresh = 5 * time.Minute
)

// Settings are the operator's, from the section aws of the configuration.
type Settings struct {
	Region string
	// RoleARN is the role that the hub assumes for its own calls. Empty: the
	// credentials that the SDK finds by itself.
	RoleARN string
	// ClientRoleARN is the role that the hub assumes for a client's data,
	// narrowed to that client. Empty: the hub's own credentials serve all.
	ClientRoleARN string
	// STSEndpoint is a base URL instead of the region's own, for a local
	// stand-in. Empty: also AWS_ENDPOINT_URL_STS is heard.
	STSEndpoint string
	// Record is told of every request before it leaves, retries included. It
	// must be safe for concurrent use and must not block. Nil: nobody is.
	Record func(Call)
}

// AWS makes the configuration of the drivers' clients. It is safe for
// concurrent use and lives as long as the drivers.
type AWS struct {
	settings Settings
	base     aws.Config
	sts      *sts.Client

	mu       sync.Mutex
	sessions map[ClientScope]aws.CredentialsProvider
	held     []*lastingSession // those of clients
}

// Load finds credentials by the SDK's default chain (environment, shared
// files, web identity, container, instance) and assumes the hub's role with
// them, if there is one. It makes no call: the first call of a driver does.
func Load(ctx context.Context, s Settings) (*AWS, error) {
	if s.Region == "" {
		return nil, model.Errorf(model.Invalid, "load AWS configuration", "no region: set aws.region")
	}
	base, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(s.Region),
		config.WithHTTPClient(newHTTPClient()),
		// The SDK's logger writes to standard error, past redaction and sink.
		config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		// One host per service and region, which an endpoint policy and the
		// test of residence can name.
		config.WithAccountIDEndpointMode(aws.AccountIDEndpointModeDisabled),
	)
	if err != nil {
		return nil, Fault("load AWS configuration", err)
	}
	base.APIOptions = append(base.APIOptions, refusePlain)
	if s.Record != nil {
		base.APIOptions = append(base.APIOptions, record(s.Record))
	}
	a := &AWS{settings: s, base: base, sessions: map[ClientScope]aws.CredentialsProvider{}}
	if s.RoleARN != "" {
		_, a.base.Credentials = a.assume(a.newSTS(), s.RoleARN, "channelhub", "", roleRefresh)
	}
	a.sts = a.newSTS() // speaks as the hub
	return a, nil
}

// Config returns the configuration of a client of the hub's own role. The copy
// is the caller's to change.
func (a *AWS) Config() aws.Config { return a.base.Copy() }

// Region is the one region that the hub calls.
func (a *AWS) Region() string { return a.settings.Region }

func (a *AWS) newSTS() *sts.Client {
	return sts.NewFromConfig(a.base, func(o *sts.Options) {
		if a.settings.STSEndpoint != "" {
			o.BaseEndpoint = aws.String(a.settings.STSEndpoint)
		}
	})
}

// assume makes a provider of sessions of a role, narrowed by policy unless
// that is empty. A session handed out has at least refresh to live, unless STS
// has been away for that long.
func (a *AWS) assume(client *sts.Client, role, name, policy string, refresh time.Duration) (*lastingSession, aws.CredentialsProvider) {
	provider := stscreds.NewAssumeRoleProvider(client, role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = name, roleSession
		if policy != "" {
			o.Policy = aws.String(policy)
		}
	})
	session := &lastingSession{from: provider, refresh: refresh}
	session.cache = aws.NewCredentialsCache(session, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = refresh
	})
	return session, session.cache
}

func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = connectTimeout
			t.ResponseHeaderTimeout = answerTimeout
			t.MaxIdleConnsPerHost = idlePerHost
			t.MaxIdleConns = 0 // as many as the hosts together
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = &tls.Config{}
			}
			t.TLSClientConfig.MinVersion = tls.VersionTLS12
		})
}
