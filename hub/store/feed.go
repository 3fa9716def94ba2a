package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
)

// Feed returns the feed log that a conversation uses, always the same one.
func (c *Client) Feed(conv model.ConversationID) *Log { return c.feed[c.shardOf(conv)] }

// FeedLogs returns all feed logs of the client, in the order of cursors.
func (c *Client) FeedLogs() []*Log { return c.feed }

func (c *Client) shardOf(conv model.ConversationID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(conv))
	return int(h.Sum32() % uint32(c.shards))
}

// maxCursor is the length of a token with more logs than a client has.
const maxCursor = 4096

// Cursor spells places in the feed logs as the opaque token a consumer hands
// back. A MAC keeps consumers from making their own, and binds the token to
// the client.
func (c *Client) Cursor(ctx context.Context, at []Position) (string, error) {
	raw := binary.AppendUvarint(nil, uint64(len(at)))
	for _, p := range at {
		raw = binary.AppendUvarint(raw, p.N)
		raw = binary.AppendUvarint(raw, uint64(p.Index))
	}
	mac, err := c.seal.PRF(ctx, "cursor", string(raw))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, mac[:]...)), nil
}

// ParseCursor reads a token back; model.Invalid when it is not one of this
// client's.
func (c *Client) ParseCursor(ctx context.Context, token string) ([]Position, error) {
	bad := model.Errorf(model.Invalid, "read cursor", "the cursor is not one that this feed gave out")
	if len(token) > maxCursor {
		return nil, bad
	}
	all, ok := decodeToken64(token)
	if !ok || len(all) < 17 {
		return nil, bad
	}
	raw, mac := all[:len(all)-16], model.Random16(all[len(all)-16:])
	want, err := c.seal.PRF(ctx, "cursor", string(raw))
	if err != nil {
		return nil, err
	}
	if !seal.SameMAC(mac, want) {
		return nil, bad
	}
	n, used := binary.Uvarint(raw)
	if used <= 0 || n != uint64(c.shards) {
		return nil, bad
	}
	raw = raw[used:]
	at := make([]Position, n)
	for i := range at {
		row, used := binary.Uvarint(raw)
		if used <= 0 {
			return nil, bad
		}
		raw = raw[used:]
		index, used := binary.Uvarint(raw)
		if used <= 0 || index > maxBatch {
			return nil, bad
		}
		raw = raw[used:]
		at[i] = Position{N: row, Index: int(index)}
	}
	return at, nil
}
