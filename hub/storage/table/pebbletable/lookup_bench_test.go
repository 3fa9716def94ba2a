package pebbletable

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// BenchmarkLookup reads rows of a store of 200 MB beside Pebble's own Get of
// the same keys. Absent is what the first step for every new event asks.
func BenchmarkLookup(b *testing.B) {
	st, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	const conversations, events = 1000, 200
	key := func(n int, tail string) driver.Key {
		return driver.Key{PK: fmt.Sprintf("c/bench/v/cnv_%04d", n%conversations), SK: "e/" + tail}
	}
	var there []driver.Key
	value := make([]byte, 1000)
	for n := range conversations * events {
		_, _ = rand.Read(value)
		k := key(n, hex.EncodeToString(value[:16]))
		if n%events == 0 {
			there = append(there, k)
		}
		if err := st.db.Set(rowKey(k), append(make([]byte, headerLen), value...), pebble.NoSync); err != nil {
			b.Fatal(err)
		}
	}
	if err := st.db.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := st.db.Compact(b.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		b.Fatal(err)
	}
	keys := map[string]func(n int) driver.Key{
		"absent":  func(n int) driver.Key { return key(n, fmt.Sprintf("%032x", n)) },
		"present": func(n int) driver.Key { return there[n%len(there)] },
	}
	for _, name := range []string{"absent", "present"} {
		b.Run("pebble/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for n := range b.N {
				_, closer, err := st.db.Get(rowKey(keys[name](n)))
				if (err == nil) != (name == "present") {
					b.Fatal(err)
				}
				if err == nil {
					_ = closer.Close()
				}
			}
		})
		b.Run("lookup/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for n := range b.N {
				row, err := st.lookup(keys[name](n))
				if err != nil || (row != nil) != (name == "present") {
					b.Fatal(row, err)
				}
			}
		})
	}
}
