// Package drivertest is the conformance suite of the logsink port. A driver
// passes all of it, or it is not a driver.
package drivertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
)

// Harness is a driver on a stream of its own.
type Harness struct {
	Driver driver.Driver
	// Lines reads the stream back, in order, after a Flush or Close.
	Lines func(t *testing.T) []string
}

// Run runs the suite. open is called once for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"InOrder", testInOrder},
		{"FullBatches", testFullBatches},
		{"LongLine", testLongLine},
		{"LinesComeBackAsTheyWent", testVerbatim},
		{"TimesNeedNotGrow", testTimes},
		{"FlushShows", testFlushShows},
		{"CloseShows", testCloseShows},
		{"FlushOfNothing", testFlushOfNothing},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, open(t)) })
	}
}

func record(line string) driver.Record {
	return driver.Record{Time: time.Now(), Line: []byte(line)}
}

func write(t *testing.T, h Harness, records ...driver.Record) {
	t.Helper()
	if err := h.Driver.Write(t.Context(), records); err != nil {
		t.Fatalf("write %d records: %v", len(records), err)
	}
}

func flush(t *testing.T, h Harness) {
	t.Helper()
	if err := h.Driver.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func closeDriver(t *testing.T, h Harness) {
	t.Helper()
	if err := h.Driver.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func wantLines(t *testing.T, h Harness, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, h.Lines(t)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func testInOrder(t *testing.T, h Harness) {
	var want []string
	for i := range 20 {
		var batch []driver.Record
		for j := range i%3 + 1 {
			line := fmt.Sprintf(`{"n":"%d.%d"}`, i, j)
			want = append(want, line)
			batch = append(batch, record(line))
		}
		write(t, h, batch...)
	}
	closeDriver(t, h)
	wantLines(t, h, want)
}

func testFullBatches(t *testing.T, h Harness) {
	var want []string
	for range 2 {
		var batch []driver.Record
		for i := range driver.MaxBatchRecords {
			line := fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, strings.Repeat("x", driver.MaxBatchBytes/driver.MaxBatchRecords-32))
			want = append(want, line)
			batch = append(batch, record(line))
		}
		write(t, h, batch...)
	}
	closeDriver(t, h)
	wantLines(t, h, want)
}

func testLongLine(t *testing.T, h Harness) {
	line := `{"pad":"` + strings.Repeat("x", driver.MaxLineBytes-10) + `"}`
	write(t, h, record(line))
	closeDriver(t, h)
	wantLines(t, h, []string{line})
}

func testVerbatim(t *testing.T, h Harness) {
	lines := []string{`{}`, `{"a":"é 漢 🙂"}`, `{"a":"\u0000 \n \" \\"}`, `{"a": 1,  "b":[{}]}`}
	for _, line := range lines {
		write(t, h, record(line))
	}
	closeDriver(t, h)
	wantLines(t, h, lines)
}

func testTimes(t *testing.T, h Harness) {
	now := time.Now()
	write(t, h,
		driver.Record{Time: now, Line: []byte(`{"n":1}`)},
		driver.Record{Time: now.Add(-time.Second), Line: []byte(`{"n":2}`)},
		driver.Record{Time: now, Line: []byte(`{"n":3}`)},
	)
	closeDriver(t, h)
	wantLines(t, h, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`})
}

func testFlushShows(t *testing.T, h Harness) {
	defer closeDriver(t, h)
	write(t, h, record(`{"n":1}`))
	flush(t, h)
	wantLines(t, h, []string{`{"n":1}`})
	write(t, h, record(`{"n":2}`))
	flush(t, h)
	wantLines(t, h, []string{`{"n":1}`, `{"n":2}`})
}

func testCloseShows(t *testing.T, h Harness) {
	write(t, h, record(`{"n":1}`))
	closeDriver(t, h)
	wantLines(t, h, []string{`{"n":1}`})
}

func testFlushOfNothing(t *testing.T, h Harness) {
	flush(t, h)
	flush(t, h)
	closeDriver(t, h)
	wantLines(t, h, nil)
}
