package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	removalSchema = 1
	removalPK     = "removal"
)

// RemovalStep is how far a removal has come.
type RemovalStep string

// The steps of a removal.
const (
	RemovalWaiting  RemovalStep = "waiting"  // until nothing that was under way can still write
	RemovalRemoving RemovalStep = "removing" // rows, files and keys go
	RemovalDone     RemovalStep = "done"
)

// Removal is the removal of an account, or of a client with all that it has.
// Its row carries it over a crash, and is the receipt afterwards. A Removal is
// a value.
type Removal struct {
	Client  model.ClientID
	Account model.AccountID // empty: the whole client
	By      string          // the token that ordered it
	Asked   time.Time
	Step    RemovalStep
	Done    time.Time
	Expires time.Time // of the receipt; zero until it is done

	// Removed counts what went. After a crash it may miss a few.
	Removed RemovedRows
	// Journals are connectors whose common journal was not drained: what waits
	// there has not been told apart, and goes with its key.
	Journals map[model.PluginID]int

	version table.Version
}

// RemovedRows counts what a removal removed.
type RemovedRows struct {
	Accounts      int `json:"a,omitempty"`
	Contacts      int `json:"p,omitempty"` // that were in touch nowhere else
	Addresses     int `json:"x,omitempty"`
	Conversations int `json:"v,omitempty"`
	Events        int `json:"e,omitempty"`
	Messages      int `json:"m,omitempty"`
	ProviderIDs   int `json:"r,omitempty"`
	DeadLetters   int `json:"l,omitempty"`
	Attachments   int `json:"f,omitempty"`
	Journaled     int `json:"j,omitempty"`
	Tokens        int `json:"t,omitempty"`
}

// Add adds other counts.
func (r *RemovedRows) Add(o RemovedRows) {
	r.Accounts += o.Accounts
	r.Contacts += o.Contacts
	r.Addresses += o.Addresses
	r.Conversations += o.Conversations
	r.Events += o.Events
	r.Messages += o.Messages
	r.ProviderIDs += o.ProviderIDs
	r.DeadLetters += o.DeadLetters
	r.Attachments += o.Attachments
	r.Journaled += o.Journaled
	r.Tokens += o.Tokens
}

// Subject is how the audit log names what is removed.
func (r Removal) Subject() string {
	if r.Account == "" {
		return "client/" + string(r.Client)
	}
	return "account/" + string(r.Account)
}

type removalHeader struct {
	By       string                 `json:"t"`
	Asked    Milli                  `json:"c"`
	Step     RemovalStep            `json:"s"`
	Done     Milli                  `json:"d,omitempty"`
	Removed  RemovedRows            `json:"r"`
	Journals map[model.PluginID]int `json:"j,omitempty"`
}

func (r Removal) op() (table.Op, error) {
	value, err := encodePlain(removalSchema, removalHeader{
		By: r.By, Asked: Millis(r.Asked), Step: r.Step, Done: Millis(r.Done), Removed: r.Removed, Journals: r.Journals,
	})
	return table.Put(removalPK, knownSK(r.Client, r.Account), value).IfVersion(r.version).Exact().ExpireAt(r.Expires), err
}

func decodeRemoval(row table.Row) (Removal, error) {
	var h removalHeader
	if _, err := decodeHeader(row.Value, removalSchema, &h); err != nil {
		return Removal{}, fmt.Errorf("read removal: %w", err)
	}
	client, account, _ := strings.Cut(row.SK, "/")
	return Removal{
		Client: model.ClientID(client), Account: model.AccountID(account), By: h.By, Asked: h.Asked.Time(), Step: h.Step,
		Done: h.Done.Time(), Expires: row.Expires, Removed: h.Removed, Journals: h.Journals, version: row.Version,
	}, nil
}

// Removals returns every removal, also those whose receipt is still kept, by
// client and account.
func (s *Store) Removals(ctx context.Context) ([]Removal, error) {
	var out []Removal
	for q := (table.Query{PK: removalPK, Limit: 500}); ; {
		page, err := s.table.Hub().Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read removals: %w", err)
		}
		for _, row := range page.Rows {
			q.After = row.SK
			r, err := decodeRemoval(row)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
		if !page.More {
			return out, nil
		}
	}
}

// BeginRemoval writes the order with the audit row of the act (I7). One that
// is under way stays as it is and comes back, and nothing is written; the
// receipt of an earlier one, of something that had come back, gives way.
func (s *Store) BeginRemoval(ctx context.Context, r Removal, act Act) (Removal, error) {
	for {
		row, err := s.table.Hub().Get(ctx, removalPK, knownSK(r.Client, r.Account))
		if err != nil && !model.Is(err, model.NotFound) {
			return r, fmt.Errorf("order removal: %w", err)
		}
		if err == nil {
			if found, err := decodeRemoval(row); err != nil || found.Step != RemovalDone {
				return found, err
			}
		}
		r.version = row.Version
		put, err := r.op()
		if err != nil {
			return r, err
		}
		err = s.audited(ctx, act, put)
		if _, changed := conflictOf(err); changed {
			continue
		}
		if err != nil {
			return r, fmt.Errorf("order removal: %w", err)
		}
		row, err = s.table.Hub().Get(ctx, removalPK, knownSK(r.Client, r.Account))
		if err != nil {
			return r, fmt.Errorf("order removal: %w", err)
		}
		return decodeRemoval(row)
	}
}

// PutRemoval notes how far a removal has come, if it still is what r was read
// from; otherwise model.Conflicting: another hub works on it.
func (s *Store) PutRemoval(ctx context.Context, r Removal) (Removal, error) {
	put, err := r.op()
	if err == nil {
		r.version, err = s.table.Hub().Commit(ctx, put)
	}
	return r, removalFault(err)
}

// EndRemoval writes the receipt with the audit row of the end, and makes what
// was removed unknown in the same commit.
func (s *Store) EndRemoval(ctx context.Context, r Removal, act Act) error {
	put, err := r.op()
	if err == nil {
		err = s.audited(ctx, act, put, table.Delete(knownPK, knownSK(r.Client, r.Account)))
	}
	return removalFault(err)
}

func removalFault(err error) error {
	if _, changed := conflictOf(err); changed {
		return model.Errorf(model.Conflicting, "note removal", "another hub has noted more")
	}
	if err != nil {
		return fmt.Errorf("note removal: %w", err)
	}
	return nil
}

// RemoveTokens deletes the rows of a client's tokens, and returns how many
// there were. They are refused within 5 seconds.
func (s *Store) RemoveTokens(ctx context.Context, client model.ClientID) (n int, err error) {
	tokens, err := s.Tokens(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range tokens {
		if t.Client != client {
			continue
		}
		if _, err := s.table.Hub().Commit(ctx, table.Delete("token", t.ID)); err != nil {
			return n, fmt.Errorf("delete token: %w", err)
		}
		n++
	}
	return n, nil
}

// ForgetAccount removes what the hub's own rows say of an account: the claims
// on its addresses at the provider, and an operator's word against it. With
// known, also that it ever was.
func (s *Store) ForgetAccount(ctx context.Context, client model.ClientID, account model.AccountID, known bool) error {
	rows := s.table.Hub()
	row, err := rows.Get(ctx, knownPK, knownSK(client, account))
	if err != nil && !model.Is(err, model.NotFound) {
		return fmt.Errorf("forget account: %w", err)
	}
	var h knownHeader
	if err == nil {
		if _, err := decodeHeader(row.Value, knownSchema, &h); err != nil {
			return fmt.Errorf("forget account: %w", err)
		}
	}
	for _, x := range h.Addresses {
		if len(x) != 16 {
			return model.Errorf(model.Corrupt, "forget account", "a key has 16 bytes")
		}
		if err := s.releaseClaim(ctx, model.Random16(x), AccountAddress{client, account}); err != nil {
			return err
		}
	}
	ops := []table.Op{table.Delete(overridePK, overrideSK(AccountOff, string(account)))}
	if known {
		ops = append(ops, table.Delete(knownPK, knownSK(client, account)))
	}
	if _, err := rows.Commit(ctx, ops...); err != nil {
		return fmt.Errorf("forget account: %w", err)
	}
	return nil
}

// releaseClaim deletes the claim on a provider address, unless another account
// has taken it over.
func (s *Store) releaseClaim(ctx context.Context, address model.Random16, owner AccountAddress) error {
	pk := "addr/" + hexKey(address)
	row, err := s.table.Hub().Get(ctx, pk, "a")
	if model.Is(err, model.NotFound) {
		return nil
	}
	var has AccountAddress
	if err == nil {
		_, err = decodeHeader(row.Value, accountAddressSchema, &has)
	}
	if err == nil && has == owner {
		_, err = s.table.Hub().Commit(ctx, table.Delete(pk, "a").IfVersion(row.Version))
	}
	if _, changed := conflictOf(err); err != nil && !changed {
		return fmt.Errorf("release provider address: %w", err)
	}
	return nil
}

// ForgetClient has this process forget a client's keys and rows: whoever asks
// for the client next finds what the table has, which is nothing.
func (s *Store) ForgetClient(id model.ClientID) {
	s.clients.Invalidate(id)
	s.sealer.Forget(id)
}
