package pebbletable

import (
	"bytes"
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// text draws short strings that are rich in the bytes the encoding cares for.
var text = rapid.Custom(func(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 'b', 0xfe, 0xff}), 1, 6).Draw(t, "bytes"))
})

func drawKey(t *rapid.T, name string) driver.Key {
	return driver.Key{PK: text.Draw(t, name+" pk"), SK: text.Draw(t, name+" sk")}
}

func TestRowKeysKeepOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawKey(t, "a"), drawKey(t, "b")
		want := cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
		if got := bytes.Compare(rowKey(a), rowKey(b)); got != want {
			t.Fatalf("order of %q and %q = %d, want %d", a, b, got, want)
		}
		inside := bytes.HasPrefix(rowKey(b), rowKey(driver.Key{PK: a.PK})) && bytes.Compare(rowKey(b), partitionEnd(a.PK)) < 0
		if inside != (a.PK == b.PK) {
			t.Fatalf("row %q inside the bounds of partition %q: %v", b, a.PK, inside)
		}
	})
}

func TestExpiryKeysKeepOrder(t *testing.T) {
	seconds := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 1<<62))
	rapid.Check(t, func(t *rapid.T) {
		due, now := seconds.Draw(t, "due"), seconds.Draw(t, "now")
		key := expiryKey(due, rowKey(drawKey(t, "row")))
		lower, upper := dueBounds(minuteOf(now))
		inside := bytes.Compare(lower, key) <= 0 && bytes.Compare(key, upper) < 0
		if want := due/60 <= now/60; inside != want {
			t.Fatalf("entry due at %d within a sweep at %d: %v, want %v", due, now, inside, want)
		}
	})
}

// FuzzRowKey demands that any key comes back from its encoding, and that any
// bytes are either refused or the encoding of what they decode to.
func FuzzRowKey(f *testing.F) {
	f.Add("p", "s", []byte("rp\x00\x01s"))
	f.Add("\x00", "\x00", []byte("r\x00\xff\x00\x01"))
	f.Add("a\x00\x01b", "\x00\x01", []byte("r\x00\x02"))
	f.Add("", "", []byte{rowSpace, 0})
	f.Fuzz(func(t *testing.T, pk, sk string, raw []byte) {
		key := driver.Key{PK: pk, SK: sk}
		if got, err := parseRowKey(rowKey(key)); err != nil || got != key {
			t.Errorf("key %q came back as %q, %v", key, got, err)
		}
		got, err := parseRowKey(raw)
		if err != nil {
			if !model.Is(err, model.Corrupt) {
				t.Errorf("error = %v, want code %q", err, model.Corrupt)
			}
			return
		}
		if again := rowKey(got); !bytes.Equal(again, raw) {
			t.Errorf("bytes %q decode to %q, which encodes to %q", raw, got, again)
		}
	})
}
