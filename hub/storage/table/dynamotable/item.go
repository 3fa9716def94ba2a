package dynamotable

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

type item = map[string]types.AttributeValue

// itemOf is the item that a put writes.
func itemOf(id driver.ID, o driver.Op) item {
	it := keyOf(o.PK, o.SK)
	it[attrVersion] = &types.AttributeValueMemberB{Value: id[:]}
	if len(o.Value) > 0 {
		it[attrValue] = &types.AttributeValueMemberB{Value: o.Value}
	}
	if !o.Expires.IsZero() {
		it[attrExpires] = seconds(o.Expires)
	}
	return it
}

// seconds is an instant as the TTL attribute wants it, rounded down.
func seconds(t time.Time) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.Unix(), 10)}
}

// rowOf decodes an item. What is not as itemOf makes it was not written by the
// hub.
func rowOf(it item) (driver.Row, error) {
	var r driver.Row
	pk, ok := it[attrPK].(*types.AttributeValueMemberS)
	if !ok {
		return r, corrupt("an item has no partition key")
	}
	var err error
	if r.PK, err = parsePK(pk.Value); err != nil {
		return r, err
	}
	sk, ok := it[attrSK].(*types.AttributeValueMemberB)
	if !ok {
		return r, corrupt("an item has no sort key")
	}
	r.SK = string(sk.Value)
	version, ok := it[attrVersion].(*types.AttributeValueMemberB)
	if !ok || len(version.Value) != len(r.Version) {
		return r, corrupt("an item has no version")
	}
	r.Version = driver.ID(version.Value)
	switch v := it[attrValue].(type) {
	case nil:
		r.Value = []byte{}
	case *types.AttributeValueMemberB:
		r.Value = v.Value
	default:
		return r, corrupt("an item's value is not binary")
	}
	switch x := it[attrExpires].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		s, err := strconv.ParseInt(x.Value, 10, 64)
		if err != nil {
			return r, corrupt("an item's expiry is not a whole number")
		}
		r.Expires = time.Unix(s, 0).UTC()
	default:
		return r, corrupt("an item's expiry is not a number")
	}
	return r, nil
}

// condition is an expression and its values; the zero condition always holds.
type condition struct {
	text   *string
	values item
}

func conditionOf(c driver.Cond) condition {
	var text string
	values := item{}
	switch c.Kind {
	case driver.CondAny:
		return condition{}
	case driver.CondAbsent:
		text = "attribute_not_exists(" + attrPK + ")"
		if !c.ExpiredBy.IsZero() {
			text += " OR " + attrExpires + " <= :by" // false where there is no expiry
		}
	case driver.CondVersion:
		text = attrVersion + " = :i"
		values[":i"] = &types.AttributeValueMemberB{Value: c.Version[:]}
		if !c.ExpiredBy.IsZero() {
			text += " AND (attribute_not_exists(" + attrExpires + ") OR " + attrExpires + " > :by)"
		}
	}
	if !c.ExpiredBy.IsZero() {
		// An expiry is a whole second, so nothing lies between it and the
		// instant rounded down.
		values[":by"] = seconds(c.ExpiredBy)
	}
	if len(values) == 0 {
		values = nil // DynamoDB refuses an empty map
	}
	return condition{text: &text, values: values}
}

// holds judges a condition as DynamoDB would; row is nil when there is none.
func holds(c driver.Cond, row *driver.Row) bool {
	present := row != nil && (c.ExpiredBy.IsZero() || row.Expires.IsZero() || row.Expires.After(c.ExpiredBy))
	switch c.Kind {
	case driver.CondAbsent:
		return !present
	case driver.CondVersion:
		return present && row.Version == c.Version
	case driver.CondAny:
	}
	return true
}
