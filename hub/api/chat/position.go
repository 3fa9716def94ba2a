package chat

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/channelhub/channelhub/hub/model"
)

// position is a place in a conversation: behind the inbound event of number in,
// and behind the first index records of the lane row that follows row lane.
type position struct {
	in    uint64
	lane  uint64
	index uint64
}

const positionVersion = 1

// token spells the position for the browser. It names its conversation, so
// that a page which became another visitor is noticed.
func (p position) token(conv model.ConversationID) string {
	id, _ := conv.Raw()
	b := append([]byte{positionVersion}, id[:]...)
	b = binary.AppendUvarint(b, p.in)
	b = binary.AppendUvarint(b, p.lane)
	b = binary.AppendUvarint(b, p.index)
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePosition reads a token back; false when it is not exactly what token
// would have spelled for this conversation.
func parsePosition(token string, conv model.ConversationID) (position, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) > maxOpaque || len(raw) < 17 || raw[0] != positionVersion {
		return position{}, false
	}
	var parts [3]uint64
	rest := raw[17:]
	for i := range parts {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return position{}, false
		}
		parts[i], rest = v, rest[n:]
	}
	p := position{in: parts[0], lane: parts[1], index: parts[2]}
	return p, p.token(conv) == token
}
