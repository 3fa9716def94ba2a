package pebbletable_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	store := open(t, dir, nil)
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		info, err := os.Stat(d)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v; want 0700", d, info.Mode(), err)
		}
	}
}

// refuses demands that a directory does not open, with the code and words.
func refuses(t *testing.T, dir string, code model.Code, words ...string) {
	t.Helper()
	store, err := pebbletable.Open(dir, nil)
	if err == nil {
		_ = store.Close()
		t.Fatal("it opened")
	}
	if !model.Is(err, code) {
		t.Errorf("error = %v, want code %q", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error = %v, want it to name %q", err, w)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a file in the way", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, dir, model.Unavailable, dir)
	})
	t.Run("open already", func(t *testing.T) {
		dir := t.TempDir()
		store := open(t, dir, nil)
		refuses(t, dir, model.Unavailable, dir)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir, nil).Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a later format", func(t *testing.T) {
		dir := t.TempDir()
		if err := open(t, dir, nil).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Set([]byte("f"), []byte("2"), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		refuses(t, dir, model.Unavailable, dir, `format "2"`)
		refuses(t, dir, model.Unavailable, `format "2"`) // the lock was freed
	})
}

// fill makes a store of 200 acknowledged rows.
func fill(t *testing.T, dir string) *table.Table {
	t.Helper()
	tab := table.New(open(t, dir, nil), nil)
	for n := range 200 {
		if _, err := tab.Hub().Commit(t.Context(), table.Put("p", fmt.Sprintf("%03d", n), bytes.Repeat([]byte{byte(n)}, 2000))); err != nil {
			t.Fatal(err)
		}
	}
	return tab
}

// filled is what is left of the store once it is closed.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := fill(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// crashed is what a crash leaves of the store: the rows lie in the log.
func crashed(t *testing.T) (dir string) {
	t.Helper()
	running, dir := t.TempDir(), t.TempDir()
	tab := fill(t, running)
	if err := os.CopyFS(dir, os.DirFS(running)); err != nil {
		t.Fatal(err)
	}
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flip changes bytes in the middle of the largest file that matches.
func flip(t *testing.T, pattern string) (name string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, n := range names {
		if info, err := os.Stat(n); err == nil && info.Size() > size {
			name, size = n, info.Size()
		}
	}
	if name == "" {
		t.Fatalf("no file %s", pattern)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		content[len(content)/2+i] ^= 0x55
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// remove takes away the files that match.
func remove(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file %s, %v", pattern, err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClosedNeedsNoLog: what is closed in order has nothing in its log alone.
func TestClosedNeedsNoLog(t *testing.T) {
	dir := filled(t)
	remove(t, filepath.Join(dir, "*.log"))
	tab := table.New(open(t, dir, nil), nil)
	for n := range 200 {
		if _, err := tab.Hub().Get(t.Context(), "p", fmt.Sprintf("%03d", n)); err != nil {
			t.Fatalf("row %d: %v", n, err)
		}
	}
	if err := tab.Close(); err != nil {
		t.Error(err)
	}
}

// TestDamageIsNamed: what is damaged or gone keeps the store from opening, and
// is never taken for an empty directory.
func TestDamageIsNamed(t *testing.T) {
	for name, pattern := range map[string]string{"marker": "marker.manifest.*", "manifest": "MANIFEST-*", "table": "*.sst"} {
		t.Run(name+" gone", func(t *testing.T) {
			dir := filled(t)
			remove(t, filepath.Join(dir, pattern))
			before, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, dir, model.Corrupt, dir, "backup")
			if after, err := os.ReadDir(dir); err != nil || len(after) < len(before) {
				t.Errorf("%d files were left of %d, %v", len(after), len(before), err)
			}
		})
	}
	t.Run("log", func(t *testing.T) {
		dir := crashed(t)
		refuses(t, dir, model.Corrupt, flip(t, filepath.Join(dir, "*.log")), "backup")
	})
	t.Run("manifest", func(t *testing.T) {
		dir := crashed(t)
		refuses(t, dir, model.Corrupt, flip(t, filepath.Join(dir, "MANIFEST-*")), "backup")
	})
	t.Run("table file", func(t *testing.T) {
		dir := filled(t)
		db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Compact(t.Context(), []byte("a"), []byte("z"), false); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		name := flip(t, filepath.Join(dir, "*.sst"))

		told := make(chan error, 1000)
		store := open(t, dir, &pebbletable.Options{OnTrouble: func(err error) { told <- err }})
		tab := table.New(store, nil)
		good, bad := 0, 0
		for n := range 200 {
			row, err := tab.Hub().Get(t.Context(), "p", fmt.Sprintf("%03d", n))
			switch {
			case err == nil && bytes.Equal(row.Value, bytes.Repeat([]byte{byte(n)}, 2000)):
				good++
			case model.Is(err, model.Corrupt) && strings.Contains(err.Error(), name):
				bad++
			default:
				t.Errorf("row %d: %d bytes, %v; want its value or the name of the damaged file", n, len(row.Value), err)
			}
		}
		if good < 150 || bad == 0 {
			t.Errorf("%d rows readable and %d damaged, want most readable and some damaged", good, bad)
		}
		if len(told) == 0 {
			t.Error("nobody was told of the damage")
		}
		if store.Err() != nil {
			t.Errorf("the store failed over one block: %v", store.Err())
		}
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
}
