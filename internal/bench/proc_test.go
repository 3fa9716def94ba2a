package main

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("42 (a (bad) name) S 7 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 9 0"))
	if want := (stat{parent: 7, cpu: 1750 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "42 (x) S 7", "42 (x) S ? 42 42 0 -1 4194560 100 0 0 0 150 25"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseKiB(t *testing.T) {
	raw := []byte("VmHWM:\t    99 kB\nVmRSS:\t  2048 kB\nVmSwap: ? kB\n")
	if got, err := parseKiB(raw, "VmRSS"); err != nil || got != 2048 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, name := range []string{"VmSwap", "VmData"} {
		if _, err := parseKiB(raw, name); err == nil {
			t.Errorf("%s was found", name)
		}
	}
}

func TestFileSystemOf(t *testing.T) {
	mounts := []byte("/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/disk xfs rw 0 0\n")
	for dir, want := range map[string]string{"/home/x": "ext4", "/tmp": "tmpfs", "/tmp/x": "tmpfs", "/tmpx": "ext4", "/tmp/disk/x": "xfs"} {
		if got := fileSystemOf(mounts, dir); got != want {
			t.Errorf("%s lies on %q, want %q", dir, got, want)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	got, err := parseMetrics([]byte("# HELP a x\na{root=\"hub\"} 1.5\na{root=\"a b\"} 2\n\nb 3e2\n"))
	if err != nil || len(got) != 2 || got["a"] != 3.5 || got["b"] != 300 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseMetrics([]byte("a one\n")); err == nil {
		t.Error("a value that is no number was taken")
	}
}

func TestAddresses(t *testing.T) {
	public, admin := addresses("ready public=http://127.0.0.1:1 admin=http://127.0.0.1:2\n")
	if public != "127.0.0.1:1" || admin != "127.0.0.1:2" {
		t.Errorf("got %q and %q", public, admin)
	}
	if public, _ = addresses("not ready"); public != "" {
		t.Errorf("got %q of another line", public)
	}
}
