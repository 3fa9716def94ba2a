package filesink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
	"github.com/channelhub/channelhub/hub/storage/logsink/drivertest"
)

func open(t *testing.T, path string, opts *Options) *Sink {
	t.Helper()
	s, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// files lists what lies in a directory, oldest first: ReadDir sorts, and the
// file that is written comes first.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, filepath.Join(dir, e.Name()))
	}
	if len(names) > 1 {
		names = append(names[1:], names[0])
	}
	return names
}

func lines(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, name := range files(t, dir) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, ended := strings.CutSuffix(string(content), "\n")
		if !ended && len(content) > 0 {
			t.Errorf("the last line of %s has no end", name)
		}
		if text != "" {
			all = append(all, strings.Split(text, "\n")...)
		}
	}
	return all
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string]*Options{
		"one file": nil,
		// Small enough that most writes begin another.
		"many files": {MaxSize: 100, Keep: 100},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) drivertest.Harness {
				dir := t.TempDir()
				return drivertest.Harness{
					Driver: open(t, filepath.Join(dir, "hub.log"), opts),
					Lines:  func(t *testing.T) []string { return lines(t, dir) },
				}
			})
		})
	}
}

func write(t *testing.T, s *Sink, texts ...string) {
	t.Helper()
	var records []driver.Record
	for _, text := range texts {
		records = append(records, driver.Record{Line: []byte(text)})
	}
	if err := s.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func TestFullFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "hub.log")
	at := time.Date(2026, 11, 26, 10, 15, 0, 0, time.UTC)
	s := open(t, path, &Options{MaxSize: 30, Keep: 2, Now: func() time.Time { return at }})
	other := path + ".kept-by-hand"
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		write(t, s, fmt.Sprintf(`{"line":%04d}`, i)) // 14 bytes with its end
		at = at.Add(time.Second)
	}
	var got []string
	for _, name := range files(t, filepath.Dir(path)) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != other && info.Mode() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		got = append(got, fmt.Sprintf("%s %d", filepath.Base(name), info.Size()))
	}
	want := []string{
		"hub.log.20261126T101506.000Z 28", "hub.log.20261126T101508.000Z 28", "hub.log.kept-by-hand 0", "hub.log 28",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFilesSetAsideAtOneInstant(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 26, 10, 15, 0, 0, time.UTC)
	s := open(t, filepath.Join(dir, "hub.log"), &Options{MaxSize: 1, Keep: 20, Now: func() time.Time { return at }})
	var want []string
	for i := range 12 {
		want = append(want, fmt.Sprint(i))
		write(t, s, want[i])
	}
	if diff := cmp.Diff(want, lines(t, dir)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestAnotherMayMoveTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hub.log")
	s := open(t, path, nil)
	write(t, s, "1")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, s, "2")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, s, "3")
	for name, want := range map[string]string{path: "3\n", path + ".1": "1\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestATornLineIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.log")
	if err := os.WriteFile(path, []byte("whole\ntor"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, nil)
	write(t, s, "next")
	write(t, s, "last")
	if got, err := os.ReadFile(path); err != nil || string(got) != "whole\ntor\nnext\nlast\n" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestOthersMayNotReadIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v; want what the group may read and no more", info.Mode(), err)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, nil); err == nil {
		t.Error("a directory was opened")
	}
	if _, err := Open(os.DevNull, nil); !model.Is(err, model.Invalid) {
		t.Errorf("a device: %v, want invalid", err)
	}
}

// TestTroubleIsTemporary takes the directory away and gives it back.
func TestTroubleIsTemporary(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, filepath.Join(dir, "hub.log"), nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // nothing can be made below it
		t.Fatal(err)
	}
	err := s.Write(t.Context(), []driver.Record{{Line: []byte("1")}})
	if !model.Is(err, model.Unavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
	if err := errors.Join(s.Flush(t.Context()), os.Remove(dir)); err != nil {
		t.Fatal(err)
	}
	write(t, s, "1")
	if got := lines(t, dir); len(got) != 1 {
		t.Errorf("lines %q", got)
	}
}
