package table

import (
	"time"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Op is one part of a commit: Put, Delete or Check, refined by its methods,
// each of which returns a changed copy. Without a condition an op holds
// whatever is there.
type Op struct {
	kind    driver.OpKind
	pk, sk  string
	value   []byte
	expires time.Time
	cond    driver.CondKind
	version Version
	exact   bool
}

// Put writes a row over whatever is there. The value is read until Commit
// returns, and neither kept nor changed.
func Put(pk, sk string, value []byte) Op {
	return Op{kind: driver.OpPut, pk: pk, sk: sk, value: value}
}

// Delete removes a row. A row that is not there is fine unless IfVersion
// demands it.
//
// A delete leaves no stamp: two writers that delete the same row under an
// ambiguous answer may both be told that it is done. To claim something, put
// a row.
func Delete(pk, sk string) Op { return Op{kind: driver.OpDelete, pk: pk, sk: sk} }

// Check writes nothing; its condition guards the other ops of the commit.
func Check(pk, sk string) Op { return Op{kind: driver.OpCheck, pk: pk, sk: sk} }

// IfAbsent demands that there be no row.
func (o Op) IfAbsent() Op {
	o.cond, o.version = driver.CondAbsent, Version{}
	return o
}

// IfVersion demands the row of exactly this version. The zero Version is what
// a reader that found nothing holds, so it demands that there be no row.
func (o Op) IfVersion(v Version) Op {
	if v == (Version{}) {
		return o.IfAbsent()
	}
	o.cond, o.version = driver.CondVersion, v
	return o
}

// ExpireAt gives the row of a Put its end, rounded up to the second. The zero
// time means that the row never expires.
func (o Op) ExpireAt(t time.Time) Op {
	o.expires = t
	return o
}

// Exact makes an expired row count as absent at once in the op's condition,
// not only after ExpiryGrace.
func (o Op) Exact() Op {
	o.exact = true
	return o
}

// lower turns the op into the driver's form. Its keys keep the handle's root.
func (o Op) lower(h Handle, now time.Time) driver.Op {
	d := driver.Op{
		Kind:    o.kind,
		Key:     h.key(o.pk, o.sk),
		Value:   o.value,
		Expires: wholeSecond(o.expires),
		Cond:    driver.Cond{Kind: o.cond, Version: o.version},
	}
	if o.cond != driver.CondAny {
		d.Cond.ExpiredBy = now
		if !o.exact {
			d.Cond.ExpiredBy = now.Add(-ExpiryGrace)
		}
	}
	return d
}

// wholeSecond rounds up, so that a row is never hidden before its time.
func wholeSecond(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return time.Unix(s, 0).UTC()
}
