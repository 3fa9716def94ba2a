package pluginhost

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// benchmarkReceive drives the connector from so many callers at once, through
// the host or, for comparison, with a call for each request.
func benchmarkReceive(b *testing.B, callers int, direct bool) {
	runDir, err := os.MkdirTemp("", "run")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(runDir) }()
	program := filepath.Join(b.TempDir(), "evil-good")
	if err := os.Link(evilBinary, program); err != nil {
		b.Fatal(err)
	}
	h := New(&Options{RunDir: runDir})
	ctx := context.Background()
	defer func() { _ = h.Close(ctx) }()
	if err := h.Set(ctx, Spec{ID: "one", Path: program}); err != nil {
		b.Fatal(err)
	}
	if _, err := h.OpenAccount(ctx, "one", AccountSettings{AccountID: "a", Revision: 1}); err != nil {
		b.Fatal(err)
	}
	p, err := h.running("one")
	if err != nil {
		b.Fatal(err)
	}
	requests := []HTTPRequest{{AccountID: "a", Method: "POST", Body: bytes.Repeat([]byte("x"), 500)}}

	took := make([]time.Duration, b.N)
	work := make(chan int, b.N)
	for i := range b.N {
		work <- i
	}
	close(work)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range work {
				began := time.Now()
				if direct {
					_, err = p.receiveHTTP(ctx, requests)
				} else {
					_, err = h.ReceiveHTTP(ctx, "one", requests)
				}
				if took[i] = time.Since(began); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
