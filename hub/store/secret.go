package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	secretSchema = 1
	// maxSecrets is far above what any connector renews for an account.
	maxSecrets = 16
	secretTag  = "k/"
)

// secretKey seals what connectors keep as secrets.
var secretKey = seal.Class("connector-secret")

// PutSecret keeps a secret of an account under a name, in place of what was
// there.
func (c *Client) PutSecret(ctx context.Context, account model.AccountID, name, value string) error {
	have, err := c.Secrets(ctx, account)
	if err != nil {
		return err
	}
	if _, ok := have[name]; !ok && len(have) >= maxSecrets {
		return model.Errorf(model.TooLarge, "write secret", "an account keeps at most %d secrets", maxSecrets)
	}
	if err := c.seal.CreateKey(ctx, secretKey); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	pk, sk := accountPK(account), secretTag+name
	row, err := c.encode(ctx, pk, sk, secretSchema, secretKey, struct{}{}, value)
	if err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	if _, err := c.rows.Commit(ctx, table.Put(pk, sk, row)); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}

// Secrets returns what was kept for an account, by name.
func (c *Client) Secrets(ctx context.Context, account model.AccountID) (map[string]string, error) {
	page, err := c.rows.Query(ctx, table.Query{PK: accountPK(account), From: secretTag, To: "k0", Limit: 2 * maxSecrets})
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	out := make(map[string]string, len(page.Rows))
	for _, row := range page.Rows {
		sealed, err := decodeHeader(row.Value, secretSchema, &struct{}{})
		if err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
		var value string
		if err := c.openBody(ctx, row, secretSchema, secretKey, sealed, &value); err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
		out[strings.TrimPrefix(row.SK, secretTag)] = value
	}
	return out, nil
}
