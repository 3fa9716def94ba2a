package dynamotable

import (
	"encoding/hex"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
)

// The attributes of an item. DynamoDB bills their names with every row.
const (
	attrPK      = "p"
	attrSK      = "s"
	attrValue   = "v"
	attrVersion = "i"
	attrExpires = "x"
)

// pkText is a partition key as text: printable ASCII as it is, every other
// byte and "%" itself as % and two hex digits. Equal texts are equal keys, and
// the text begins with the key's root, which is what the session policy of a
// client compares (dynamodb:LeadingKeys). Three times MaxKeyBytes fits into the
// 2048 bytes that DynamoDB allows; the hub's own keys are never longer for it.
func pkText(pk string) string {
	plain := func(b byte) bool { return b > ' ' && b < 0x7f && b != '%' }
	n := 0
	for n < len(pk) && plain(pk[n]) {
		n++
	}
	if n == len(pk) {
		return pk
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.WriteString(pk[:n])
	for ; n < len(pk); n++ {
		if plain(pk[n]) {
			b.WriteByte(pk[n])
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[pk[n]>>4])
		b.WriteByte(digits[pk[n]&15])
	}
	return b.String()
}

// parsePK is the reverse of pkText.
func parsePK(text string) (string, error) {
	if strings.IndexByte(text, '%') < 0 {
		return text, nil
	}
	var b strings.Builder
	for {
		plain, rest, escaped := strings.Cut(text, "%")
		b.WriteString(plain)
		if !escaped {
			return b.String(), nil
		}
		if len(rest) < 2 {
			return "", corrupt("a partition key ends within an escape")
		}
		raw, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", corrupt("a partition key holds an escape that is none")
		}
		b.Write(raw)
		text = rest[2:]
	}
}

func keyOf(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		attrPK: &types.AttributeValueMemberS{Value: pkText(pk)},
		attrSK: &types.AttributeValueMemberB{Value: []byte(sk)},
	}
}

func corrupt(detail string) error { return model.Errorf(model.Corrupt, "decode row", "%s", detail) }
