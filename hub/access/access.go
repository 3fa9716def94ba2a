// Package access says who is calling and what they may do.
//
// A token is 256 random bits, kept as a SHA-256, bound to a role and, for
// machines and agents, to one client. Tokens that stand in configuration exist
// from the start; tokens made over the API are rows. No role holds two of
// configure, read messages and read audit.
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Role is what a token may do.
type Role string

// The roles.
const (
	Configurator Role = "configurator"
	Operator     Role = "operator"
	Privacy      Role = "privacy"
	KeyAdmin     Role = "key-admin"
	Auditor      Role = "auditor"
	Machine      Role = "client" // reads the feed of its client and sends for it
	Agent        Role = "agent"  // a person working for a client: reserved, no token is given it
)

// ForClient reports whether tokens of this role belong to one client.
func (r Role) ForClient() bool { return r == Machine || r == Agent }

// Valid reports whether the role exists.
func (r Role) Valid() bool {
	switch r {
	case Configurator, Operator, Privacy, KeyAdmin, Auditor, Machine, Agent:
		return true
	}
	return false
}

// Principal is who is calling.
type Principal struct {
	Token    string // the token's id
	Role     Role
	Client   model.ClientID // empty unless Role.ForClient
	Consumer string         // the name its acknowledgements are kept under
}

// Bootstrap is a token that stands in configuration. Its id is the name of its
// consumer.
type Bootstrap struct {
	ID     string
	Role   Role
	Client model.ClientID
	Secret string
}

// recheck bounds how long a revocation may go unnoticed; it must stay below
// the promised five seconds.
const recheck = 3 * time.Second

// Tokens authenticates callers. It is safe for concurrent use.
type Tokens struct {
	store *store.Store
	now   func() time.Time
	// bootstrap maps the hash of a configured token to its principal. Looking
	// a hash up takes no time that depends on a secret.
	bootstrap atomic.Pointer[map[[32]byte]Principal]
	rows      *otter.Cache[string, store.Token]
}

// NewTokens returns a Tokens over the store; now may be nil.
func NewTokens(s *store.Store, now func() time.Time) *Tokens {
	if now == nil {
		now = time.Now
	}
	t := &Tokens{store: s, now: now}
	t.rows = otter.Must(&otter.Options[string, store.Token]{
		MaximumSize:      10_000,
		ExpiryCalculator: otter.ExpiryWriting[string, store.Token](recheck),
	})
	t.SetBootstrap(nil)
	return t
}

// SetBootstrap puts the configured tokens in force.
func (t *Tokens) SetBootstrap(tokens []Bootstrap) {
	m := make(map[[32]byte]Principal, len(tokens))
	for _, b := range tokens {
		m[sha256.Sum256([]byte(b.Secret))] = Principal{Token: b.ID, Role: b.Role, Client: b.Client, Consumer: b.ID}
	}
	t.bootstrap.Store(&m)
}

// Configured returns the principals of the configured tokens.
func (t *Tokens) Configured() []Principal {
	m := *t.bootstrap.Load()
	out := make([]Principal, 0, len(m))
	for _, p := range m {
		out = append(out, p)
	}
	return out
}

// errUnknownToken is one answer for every way a token can be wrong.
var errUnknownToken = model.Errorf(model.Denied, "authenticate", "the token is unknown, expired or revoked")

// Authenticate returns who holds the token, or model.Denied. A revocation is
// noticed within a few seconds.
func (t *Tokens) Authenticate(ctx context.Context, token string) (Principal, error) {
	if len(token) > 512 {
		return Principal{}, errUnknownToken
	}
	if p, ok := (*t.bootstrap.Load())[sha256.Sum256([]byte(token))]; ok {
		row, err := t.row(ctx, p.Token)
		if err != nil {
			return Principal{}, err
		}
		if !row.Revoked.IsZero() {
			return Principal{}, errUnknownToken
		}
		return p, nil
	}
	id, secret, ok := parse(token)
	if !ok {
		return Principal{}, errUnknownToken
	}
	row, err := t.row(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], row.Hash) != 1 || !row.Revoked.IsZero() ||
		(!row.Expires.IsZero() && !t.now().Before(row.Expires)) {
		return Principal{}, errUnknownToken
	}
	return Principal{Token: row.ID, Role: Role(row.Role), Client: row.Client, Consumer: row.Consumer}, nil
}

// row returns the token's row, empty when there is none, from memory when it
// was read a moment ago.
func (t *Tokens) row(ctx context.Context, id string) (store.Token, error) {
	return t.rows.Get(ctx, id, otter.LoaderFunc[string, store.Token](func(ctx context.Context, id string) (store.Token, error) {
		row, err := t.store.Token(ctx, id)
		if model.Is(err, model.NotFound) {
			return store.Token{}, nil
		}
		return row, err
	}))
}

// Forget drops what is remembered of a token, so that a change made in this
// process counts at once.
func (t *Tokens) Forget(id string) { t.rows.Invalidate(id) }

var tokenEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Mint makes a new token: its id, the whole token to hand out once, and the
// hash to keep.
func Mint() (id, token string, hash []byte) {
	var raw [10 + 32]byte
	_, _ = rand.Read(raw[:])
	id = tokenEncoding.EncodeToString(raw[:10])
	secret := tokenEncoding.EncodeToString(raw[10:])
	sum := sha256.Sum256([]byte(secret))
	return id, "hub_" + id + "_" + secret, sum[:]
}

func parse(token string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(token, "hub_")
	if !ok {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	if !ok || len(id) != 16 || len(secret) != 52 {
		return "", "", false
	}
	return id, secret, true
}
