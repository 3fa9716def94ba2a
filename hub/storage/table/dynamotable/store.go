// Package dynamotable is the DynamoDB driver of the table port: one table, no
// index, no scan.
//
// An item holds the partition key (p), the sort key (s), the value (v, left
// out when empty), the commit's id (i) and the expiry in seconds (x), which is
// the table's TTL attribute. The partition key is text, because IAM narrows a
// client's session by the text that it begins with; see key.go. The sort key
// is binary, so that its order is that of the bytes.
//
// A commit of one op is a plain conditional write, one of more a transaction
// under the commit's id as its token. A row past its expiry is deleted by
// DynamoDB's TTL, which may take days; nothing of the hub waits for that: ADR 5.
package dynamotable

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// callTimeout bounds one call, so that a caller without a deadline gets an
// answer too, and one with a longer deadline gets to try again. Calls take
// some milliseconds; the largest transaction takes well under a second.
const callTimeout = 5 * time.Second

// Credentials says who a client's rows are read and written as.
type Credentials interface {
	// ForClient returns credentials that reach the scope, and, where the
	// operator has set up a role for that, nothing else.
	ForClient(scope awsconfig.ClientScope) aws.CredentialsProvider
}

// Options adjust a Store.
type Options struct {
	// Table is the name of the table.
	Table string
	// Endpoint is a base URL instead of the region's own: of a VPC endpoint,
	// or of a local stand-in.
	Endpoint string
	// Clients gives each client's rows their credentials. Nil: those of the
	// configuration serve all.
	Clients Credentials
}

// Store is a driver.Driver over one DynamoDB table. It is safe for concurrent
// use.
type Store struct {
	cfg      aws.Config
	opts     Options
	found    []Finding // by Open
	tableARN string
	hub      *dynamodb.Client

	mu      sync.RWMutex
	clients map[model.ClientID]*dynamodb.Client
}

var _ driver.Driver = (*Store)(nil)

// Open checks the table and returns a Store over it. It does not create one:
// see Provision. Its error names the first finding that keeps the hub from
// using the table, with its mend; what may be used with a warning is found by
// Check.
func Open(ctx context.Context, cfg aws.Config, opts *Options) (*Store, error) {
	st := newStore(cfg, opts)
	findings, arn, err := st.check(ctx)
	if err != nil {
		return nil, err
	}
	st.found, st.tableARN = findings, arn
	for _, f := range findings {
		if f.State == Failed {
			return nil, model.Errorf(f.code, "open DynamoDB table", "%s: %s; %s", f.Name, f.Detail, f.Mend)
		}
	}
	return st, nil
}

// Found is what Open found when it checked the table.
func (st *Store) Found() []Finding { return st.found }

func newStore(cfg aws.Config, opts *Options) *Store {
	st := &Store{cfg: cfg, opts: *opts, clients: map[model.ClientID]*dynamodb.Client{}}
	st.hub = st.newClient(nil)
	return st
}

func (st *Store) newClient(as aws.CredentialsProvider) *dynamodb.Client {
	return dynamodb.NewFromConfig(st.cfg, func(o *dynamodb.Options) {
		if st.opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(st.opts.Endpoint)
		}
		if as != nil {
			o.Credentials = as
		}
	})
}

// as returns the client of the SDK that may reach the partition: the root of
// its key decides whose credentials it has.
func (st *Store) as(pk string) *dynamodb.Client {
	rest, ok := strings.CutPrefix(pk, "c/")
	name, _, ended := strings.Cut(rest, "/")
	if !ok || !ended || st.opts.Clients == nil {
		return st.hub
	}
	id := model.ClientID(name)
	st.mu.RLock()
	c := st.clients[id]
	st.mu.RUnlock()
	if c != nil {
		return c
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if c = st.clients[id]; c == nil {
		c = st.newClient(st.opts.Clients.ForClient(awsconfig.ClientScope{Client: id, TableARN: st.tableARN}))
		st.clients[id] = c
	}
	return c
}

// Close implements driver.Driver. Connections of the SDK end by themselves.
func (st *Store) Close() error { return nil }

// fault gives an error of a call on rows its code. That the table itself is
// not found must not read like a row that is not there.
func fault(op string, err error) error {
	code := awsconfig.Code(err)
	if code == model.NotFound {
		code = model.Unavailable
	}
	return driver.Code(code, op, awsconfig.Fault("call DynamoDB", err))
}

// spent adds up what calls report as consumed.
func spent(c *driver.Cost, write bool, consumed ...types.ConsumedCapacity) {
	for _, one := range consumed {
		read, written := aws.ToFloat64(one.ReadCapacityUnits), aws.ToFloat64(one.WriteCapacityUnits)
		if read == 0 && written == 0 { // only the sum is told
			if write {
				written = aws.ToFloat64(one.CapacityUnits)
			} else {
				read = aws.ToFloat64(one.CapacityUnits)
			}
		}
		c.ReadUnits += read
		c.WriteUnits += written
	}
}
