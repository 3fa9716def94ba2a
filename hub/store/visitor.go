package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
)

const (
	visitorTokenVersion = 1
	visitorTokenSize    = 1 + 16 + 8 + 16 // version, visitor, expiry, MAC
	visitorPurpose      = "visitor-token"
)

// NewVisitor makes the address of somebody who was never here before. There is
// no row of it: a visitor becomes a contact with the first message.
func NewVisitor() model.Address { return visitorAddress(model.NewRandom16()) }

func visitorAddress(raw model.Random16) model.Address {
	return model.Address{Kind: model.Visitor, Value: hexKey(raw)}
}

// VisitorToken spells a visitor of an account as the token that its browser
// shows when it comes back, until expires. It is not stored: a MAC under the
// client's own key vouches for it and binds it to the account.
func (c *Client) VisitorToken(ctx context.Context, account model.AccountID, visitor model.Address, expires time.Time) (string, error) {
	id, err := hex.DecodeString(visitor.Value)
	if err != nil || len(id) != 16 || visitor.Kind != model.Visitor {
		return "", model.Errorf(model.Invalid, "make visitor token", "the address is not one of a visitor")
	}
	raw := make([]byte, 0, visitorTokenSize)
	raw = append(raw, visitorTokenVersion)
	raw = append(raw, id...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(expires.Unix()))
	mac, err := c.seal.PRF(ctx, visitorPurpose, string(account), string(raw))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, mac[:]...)), nil
}

// ParseVisitorToken returns the visitor of a token. model.Denied means that
// the token was not made for this account, was tampered with, or has expired;
// which of them, it does not say.
func (c *Client) ParseVisitorToken(ctx context.Context, account model.AccountID, token string) (model.Address, error) {
	denied := model.Errorf(model.Denied, "read visitor token", "the token is not valid")
	all, ok := decodeToken64(token)
	if !ok || len(all) != visitorTokenSize || all[0] != visitorTokenVersion {
		return model.Address{}, denied
	}
	raw, mac := all[:visitorTokenSize-16], model.Random16(all[visitorTokenSize-16:])
	want, err := c.seal.PRF(ctx, visitorPurpose, string(account), string(raw))
	if err != nil {
		return model.Address{}, err
	}
	if !seal.SameMAC(mac, want) {
		return model.Address{}, denied
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(raw[17:])), 0)
	if !c.now().Before(expires) {
		return model.Address{}, denied
	}
	return visitorAddress(model.Random16(raw[1:17])), nil
}
