package kmskeys

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// A blob is: version (1 byte) · checksum (8 bytes) · length of the key's ARN (2
// bytes) · ARN · what KMS returned. The checksum tells damage, which KMS may
// answer like a missing permission, from a refusal; KMS itself tells forgery.
const (
	blobVersion   = 1
	checksumBytes = 8
	blobHeader    = 1 + checksumBytes + 2
	maxARN        = 2048 // as KMS bounds a key id
)

// blob puts together what Wrap and Generate return, and remembers which key
// the name id stands for now.
func (k *Keys) blob(id string, arn *string, ciphertext []byte) ([]byte, error) {
	name := aws.ToString(arn)
	if !isKeyARN(name) || len(name) > maxARN || len(ciphertext) == 0 {
		return nil, model.Errorf(model.Internal, "seal", "KMS did not say under which key it wrapped")
	}
	k.learn(id, name)
	b := make([]byte, 1+checksumBytes, blobHeader+len(name)+len(ciphertext))
	b[0] = blobVersion
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = append(b, name...)
	b = append(b, ciphertext...)
	copy(b[1:], checksum(b))
	if len(b) > driver.MaxWrapped {
		return nil, model.Errorf(model.TooLarge, "seal", "the wrapped key has %d bytes; the limit is %d", len(b), driver.MaxWrapped)
	}
	return b, nil
}

// openBlob takes a blob apart. What it returns is part of b.
func openBlob(b []byte) (arn string, ciphertext []byte, ok bool) {
	if len(b) <= blobHeader || b[0] != blobVersion || !bytes.Equal(b[1:1+checksumBytes], checksum(b)) {
		return "", nil, false
	}
	rest := b[1+checksumBytes:]
	n := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if n >= len(rest) || !isKeyARN(string(rest[:n])) {
		return "", nil, false
	}
	return string(rest[:n]), rest[n:], true
}

func checksum(b []byte) []byte {
	sum := sha256.Sum256(b[1+checksumBytes:])
	return sum[:checksumBytes]
}
