// Package keyslots keeps wrapped contact keys in one file of slots that are
// overwritten in place, so that a key that is destroyed has left the disk when
// the call returns. A log-structured table cannot do that: it keeps copies of
// a deleted row in its log and in older files for a while.
//
// The file is a header and slots of one size. A slot never crosses a disk
// sector, so it is written whole or not at all, and carries a checksum for the
// case that a disk does otherwise. Which key lies in which slot is kept in
// memory, some 40 bytes a key, and read back at the start.
//
//	header  8 bytes of format, 16 bytes of random id, zeros, CRC-32C
//	slot    1 if used, else all zeros, length, 16 bytes of name, wrapped key, zeros, CRC-32C
//
// The name is a hash of client and key name: the file tells nothing of either.
package keyslots
