package seal

import (
	"context"
	"crypto/hmac"
	"encoding/binary"

	"github.com/channelhub/channelhub/hub/model"
)

// PRF names a thing without saying it: the same parts give the same 16 bytes
// for this client and purpose, and nobody without the client's keyset can tell
// which parts they were. Row keys hold nothing else of addresses, provider ids
// and idempotency keys.
func (c *Client) PRF(ctx context.Context, purpose string, parts ...string) (model.Random16, error) {
	ks, err := c.keyset(ctx)
	if err != nil {
		return model.Random16{}, err
	}
	n := len(purpose) + 2
	for _, p := range parts {
		n += len(p) + 4
	}
	in := make([]byte, 0, n)
	in = binary.AppendUvarint(in, uint64(len(purpose)))
	in = append(in, purpose...)
	for _, p := range parts {
		in = binary.AppendUvarint(in, uint64(len(p)))
		in = append(in, p...)
	}
	out, err := ks.prf.ComputePrimaryPRF(in, 16)
	if err != nil {
		return model.Random16{}, model.Wrap(model.Internal, "compute PRF", err)
	}
	return model.Random16(out), nil
}

// SameMAC compares two PRF values in constant time.
func SameMAC(a, b model.Random16) bool { return hmac.Equal(a[:], b[:]) }
