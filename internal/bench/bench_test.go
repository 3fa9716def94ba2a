package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets this program be the baseline, which starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == bareCommand {
		if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// One short round over the real programs: every figure is there. How large they
// are is not a test's business.
func TestBench(t *testing.T) {
	bin, out := t.TempDir(), filepath.Join(t.TempDir(), "latest.json")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/hub", "../../cmd/hub-plugin-echo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs under test: %v\n%s", err, text)
	}
	var table bytes.Buffer
	args := []string{"-bin", bin, "-out", out, "-rounds", "1", "-duration", "100ms", "-connections", "4", "-contacts", "8"}
	if err := run(t.Context(), args, &table, io.Discard); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if r["judged"] != true {
		t.Error("one round of the baseline cannot spread, and yet it was not judged")
	}
	// Processor time counts in steps longer than this round, and the keys of so
	// few messages are asked for before them.
	zero := map[string]bool{".write_units.requests.kms_per_1000_messages": true, ".bare.cpu_us_per_message": true, ".inbound.cpu_us_per_message": true, ".inbound.plugin_cpu_us_per_message": true, ".outbound.cpu_us_per_message": true, ".outbound.plugin_cpu_us_per_message": true}
	walk("", r, func(path string, median any) {
		if n, ok := median.(float64); !ok || n <= 0 && !zero[strings.TrimSuffix(path, ".median")] {
			t.Errorf("%s is %v", path, median)
		}
	})
	if !strings.Contains(table.String(), "exec to ready") || !strings.Contains(table.String(), "requests to S3 per attachment: not measured: run with -aws") {
		t.Errorf("the table lacks its last lines:\n%s", &table)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(out), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// walk visits the medians and the write units of a report.
func walk(path string, v any, visit func(path string, n any)) {
	fields, ok := v.(map[string]any)
	if !ok {
		return
	}
	for name, v := range fields {
		_, more := v.(map[string]any)
		if name == "median" || strings.HasPrefix(path, ".write_units") && !more {
			visit(path+"."+name, v)
			continue
		}
		walk(path+"."+name, v, visit)
	}
}
