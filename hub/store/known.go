package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	knownSchema = 1
	knownPK     = "known"
)

// KnownClient is a client that the configuration has ever named: its data is
// swept, and can be removed, after the configuration has dropped it.
type KnownClient struct {
	ID    model.ClientID
	KeyID string // the root key that its keysets are wrapped by; empty: the default
	Since time.Time
}

// KnownAccount is an account that the configuration has ever named.
type KnownAccount struct {
	Client model.ClientID
	ID     model.AccountID
	Since  time.Time

	addresses [][]byte // PRFs of its addresses at the provider
	version   table.Version
}

// Known is everything that the configuration has ever named and that was not
// removed.
type Known struct {
	Clients  []KnownClient
	Accounts []KnownAccount
}

type knownHeader struct {
	Since     Milli    `json:"c"`
	KeyID     string   `json:"k,omitempty"` // of a client
	Addresses [][]byte `json:"x,omitempty"` // of an account
}

func knownSK(client model.ClientID, account model.AccountID) string {
	if account == "" {
		return string(client)
	}
	return string(client) + "/" + string(account)
}

// Known reads what is known, clients and accounts by id.
func (s *Store) Known(ctx context.Context) (Known, error) {
	var k Known
	for q := (table.Query{PK: knownPK, Limit: 500}); ; {
		page, err := s.table.Hub().Query(ctx, q)
		if err != nil {
			return Known{}, fmt.Errorf("read known clients: %w", err)
		}
		for _, row := range page.Rows {
			q.After = row.SK
			var h knownHeader
			if _, err := decodeHeader(row.Value, knownSchema, &h); err != nil {
				return Known{}, fmt.Errorf("read known client: %w", err)
			}
			client, account, ok := strings.Cut(row.SK, "/")
			if !ok {
				k.Clients = append(k.Clients, KnownClient{ID: model.ClientID(client), KeyID: h.KeyID, Since: h.Since.Time()})
				continue
			}
			k.Accounts = append(k.Accounts, KnownAccount{
				Client: model.ClientID(client), ID: model.AccountID(account), Since: h.Since.Time(),
				addresses: h.Addresses, version: row.Version,
			})
		}
		if !page.More {
			return k, nil
		}
	}
}

// Of returns the known accounts of a client.
func (k Known) Of(client model.ClientID) []model.AccountID {
	var ids []model.AccountID
	for _, a := range k.Accounts {
		if a.Client == client {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// Client returns a known client.
func (k Known) Client(id model.ClientID) (KnownClient, bool) {
	for _, c := range k.Clients {
		if c.ID == id {
			return c, true
		}
	}
	return KnownClient{}, false
}

// NoteClient makes a client known, or notes its other root key.
func (s *Store) NoteClient(ctx context.Context, c KnownClient) error {
	value, err := encodePlain(knownSchema, knownHeader{Since: Millis(c.Since), KeyID: c.KeyID})
	if err == nil {
		_, err = s.table.Hub().Commit(ctx, table.Put(knownPK, knownSK(c.ID, ""), value))
	}
	if err != nil {
		return fmt.Errorf("note client: %w", err)
	}
	return nil
}

// NoteAccount makes an account known. Repeating it is harmless.
func (s *Store) NoteAccount(ctx context.Context, client model.ClientID, account model.AccountID) error {
	return s.noteAccount(ctx, client, account, nil)
}

// noteAccount notes also an address of the account at its provider, before its
// row is there: the row's name cannot be told from the account's.
func (s *Store) noteAccount(ctx context.Context, client model.ClientID, account model.AccountID, address []byte) error {
	sk := knownSK(client, account)
	for {
		h := knownHeader{Since: Millis(s.now())}
		row, err := s.table.Hub().Get(ctx, knownPK, sk)
		switch {
		case model.Is(err, model.NotFound):
		case err != nil:
			return fmt.Errorf("note account: %w", err)
		default:
			if _, err := decodeHeader(row.Value, knownSchema, &h); err != nil {
				return fmt.Errorf("note account: %w", err)
			}
		}
		there := address == nil
		for _, x := range h.Addresses {
			there = there || bytes.Equal(x, address)
		}
		if there && row.Version != (table.Version{}) {
			return nil
		}
		if !there {
			h.Addresses = append(h.Addresses, address)
		}
		value, err := encodePlain(knownSchema, h)
		if err != nil {
			return err
		}
		_, err = s.table.Hub().Commit(ctx, table.Put(knownPK, sk, value).IfVersion(row.Version))
		if _, changed := conflictOf(err); changed {
			continue
		}
		if err != nil {
			return fmt.Errorf("note account: %w", err)
		}
		return nil
	}
}
