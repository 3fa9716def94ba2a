package crashtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// TestCrashAuditCopy kills the hub between the log sink's answer and the note of
// how far the audit log is copied: the next process copies those rows again,
// and the copy has no gap.
func TestCrashAuditCopy(t *testing.T) {
	t.Parallel()
	h := newHub(t, newProvider(t).URL)
	h.start("audit.after_accept=kill")
	h.stop() // which writes down what was counted, and copies it
	first := copied(t, h)
	if len(first) == 0 || first[0] != 1 {
		t.Fatalf("the first process copied rows %v", first)
	}
	h.start("")
	h.stop()
	all := copied(t, h)
	again := all[len(first):]
	if len(again) == 0 || again[0] != 1 {
		t.Errorf("the second process copied rows %v, want from the first on", again)
	}
	for i, n := range again {
		if n != uint64(i+1) {
			t.Errorf("the copy has a gap: %v", again)
			break
		}
	}
	if last := slices.Max(first); !slices.Contains(again, last) {
		t.Errorf("row %d was not copied again: %v", last, again)
	}
}

// copied lists the rows of the audit log in the hub's log, which nobody writes
// any more.
func copied(t *testing.T, h *hub) []uint64 {
	t.Helper()
	var rows []uint64
	lines := bufio.NewScanner(bytes.NewReader(h.log.Bytes()))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Module string `json:"@module"`
			N      uint64 `json:"n"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Module == "hub.audit" {
			rows = append(rows, line.N)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
