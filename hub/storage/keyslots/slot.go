package keyslots

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// slotSize divides every sector size in use.
	slotSize = 128
	sumSize  = 4
	slotHead = 1 + 1 + len(name{})

	// MaxWrapped is the longest wrapped key that a slot takes, in bytes. A
	// contact key wrapped by a Tink AES-GCM keyset has 65.
	MaxWrapped = slotSize - slotHead - sumSize

	used = 1
)

var (
	format = [8]byte{'c', 'h', 'k', 'e', 'y', 's', '1', '\n'}
	sums   = crc32.MakeTable(crc32.Castagnoli)
)

// name is what a slot knows of whose key it holds.
type name [16]byte

func nameOf(client model.ClientID, key string) name {
	sum := sha256.Sum256([]byte(string(client) + "\x00" + key))
	return name(sum[:])
}

type slot [slotSize]byte

func (s *slot) seal() {
	binary.LittleEndian.PutUint32(s[slotSize-sumSize:], crc32.Checksum(s[:slotSize-sumSize], sums))
}

func (s *slot) sound() bool {
	return binary.LittleEndian.Uint32(s[slotSize-sumSize:]) == crc32.Checksum(s[:slotSize-sumSize], sums)
}

func makeHeader(id [16]byte) (s slot) {
	copy(s[copy(s[:], format[:]):], id[:])
	s.seal()
	return s
}

// idOf reads the header; false when it is none.
func (s *slot) idOf() (id [16]byte, ok bool) {
	copy(id[:], s[len(format):])
	return id, s.sound() && [8]byte(s[:]) == format
}

func makeSlot(n name, wrapped []byte) (s slot) {
	s[0], s[1] = used, byte(len(wrapped))
	copy(s[2:], n[:])
	copy(s[slotHead:], wrapped)
	s.seal()
	return s
}

// empty reports a slot that was never written, or whose key was destroyed.
func (s *slot) empty() bool { return *s == slot{} }

func (s *slot) holds() (n name, wrapped []byte, ok bool) {
	if s[0] != used || int(s[1]) > MaxWrapped || !s.sound() {
		return n, nil, false
	}
	return name(s[2:]), append([]byte(nil), s[slotHead:slotHead+int(s[1])]...), true
}
