package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const tokenSchema = 1

// Token is an API token, or the revocation of one that stands in
// configuration. The secret itself is nowhere: only its SHA-256.
type Token struct {
	ID       string         `json:"-"`
	Hash     []byte         `json:"h,omitempty"` // empty for a configured token
	Role     string         `json:"r,omitempty"`
	Client   model.ClientID `json:"cl,omitempty"`
	Consumer string         `json:"n,omitempty"`
	Created  time.Time      `json:"c,omitzero"`
	Expires  time.Time      `json:"x,omitzero"` // zero: never
	Revoked  time.Time      `json:"v,omitzero"` // zero: not revoked

	version table.Version
}

// Token returns the row of a token, or model.NotFound.
func (s *Store) Token(ctx context.Context, id string) (Token, error) {
	row, err := s.table.Hub().Get(ctx, "token", id)
	if err != nil {
		return Token{}, fmt.Errorf("read token: %w", err)
	}
	return decodeToken(row)
}

// PutToken writes the row, with the audit row of the act, if it still is the
// version that t was made from, which is none for a new one; otherwise
// model.Conflicting.
func (s *Store) PutToken(ctx context.Context, t Token, act Act) error {
	value, err := encodePlain(tokenSchema, t)
	if err != nil {
		return err
	}
	err = s.audited(ctx, act, table.Put("token", t.ID, value).IfVersion(t.version))
	if _, conflict := conflictOf(err); conflict {
		return model.Errorf(model.Conflicting, "write token", "the token was changed at the same time")
	}
	if err != nil {
		return fmt.Errorf("write token: %w", err)
	}
	return nil
}

// Tokens returns every token row, by id.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	var out []Token
	q := table.Query{PK: "token", Limit: 500}
	for {
		page, err := s.table.Hub().Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read tokens: %w", err)
		}
		for _, row := range page.Rows {
			t, err := decodeToken(row)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
			q.After = row.SK
		}
		if !page.More {
			return out, nil
		}
	}
}

func decodeToken(row table.Row) (Token, error) {
	var t Token
	if _, err := decodeHeader(row.Value, tokenSchema, &t); err != nil {
		return Token{}, fmt.Errorf("read token: %w", err)
	}
	t.ID, t.version = row.SK, row.Version
	return t, nil
}
