package pebbletable_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

// BenchmarkOnePartition puts rows of 1 KiB into a single partition, each
// acknowledged after its sync, beside what Pebble does alone with the same
// bytes. Compare the two of one run only: the disk's pace varies by the hour.
func BenchmarkOnePartition(b *testing.B) {
	value := make([]byte, 1<<10)
	_, _ = rand.Read(value)
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("pebble/writers=%d", writers), func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), &pebble.Options{
				MemTableSize: 16 << 20, CacheSize: 32 << 20, Logger: quiet{},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			inParallel(b, writers, func(n uint64) error {
				return db.Set(rowNumber(n), value, pebble.Sync)
			})
		})
		b.Run(fmt.Sprintf("table/writers=%d", writers), func(b *testing.B) {
			store, err := pebbletable.Open(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			t := table.New(store, nil)
			defer func() { _ = t.Close() }()
			rows := t.For("bench")
			inParallel(b, writers, func(n uint64) error {
				_, err := rows.Commit(b.Context(), table.Put("log", string(rowNumber(n)), value).IfAbsent())
				return err
			})
		})
	}
}

// rowNumber is a fresh slice each time, as a caller of either store needs one.
func rowNumber(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// inParallel shares b.N calls among the writers.
func inParallel(b *testing.B, writers int, write func(n uint64) error) {
	b.ReportAllocs()
	b.SetBytes(1 << 10)
	b.ResetTimer()
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					return
				}
				if err := write(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// quiet drops Pebble's log lines.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
