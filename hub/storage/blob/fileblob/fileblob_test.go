package fileblob_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
	"github.com/channelhub/channelhub/hub/storage/blob/drivertest"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
)

func open(t *testing.T, dir string) *fileblob.Files {
	t.Helper()
	f, err := fileblob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// unfinished counts the files that are not blobs yet.
func unfinished(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, ".incoming"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Place {
		dir := filepath.Join(t.TempDir(), "blobs")
		return drivertest.Place{
			Open:       func(t *testing.T) driver.Driver { return open(t, dir) },
			Unfinished: func(t *testing.T) int { return unfinished(t, dir) },
		}
	})
}

func put(t *testing.T, h blob.Handle, content string) blob.Key {
	t.Helper()
	key := blob.NewKey()
	if _, err := h.Put(t.Context(), key, time.Now().Add(time.Hour), strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	f := open(t, dir)
	put(t, blob.New(f, nil).For("acme"), "x")
	if _, err := f.Begin(t.Context(), driver.Ref{Client: "acme", Key: "half"}, driver.Meta{}); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", path, got, want)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("%d files were seen, %v", files, err)
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	h := blob.New(open(t, dir), nil).For("acme")
	for name, content := range map[string]string{
		"empty": "", "cut": "CHB1\x00\x00", "another": strings.Repeat("z", 100),
	} {
		key := put(t, h, "content")
		path := filepath.Join(dir, "acme", string(key))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Head(t.Context(), key); !model.Is(err, model.Corrupt) {
			t.Errorf("%s: head: got %v, want corrupt", name, err)
		}
		if _, _, err := h.Open(t.Context(), key, blob.Range{}); !model.Is(err, model.Corrupt) {
			t.Errorf("%s: open: got %v, want corrupt", name, err)
		}
		if err := h.Delete(t.Context(), key); err != nil {
			t.Errorf("%s: delete: %v", name, err)
		}
	}
}

// TestSecondName is a crash between the link and the removal of the first name:
// the bytes would outlive the blob.
func TestSecondName(t *testing.T) {
	dir := t.TempDir()
	h := blob.New(open(t, dir), nil).For("acme")
	key := put(t, h, "content")
	left := filepath.Join(dir, ".incoming", "acme."+string(key)+".1")
	if err := os.Link(filepath.Join(dir, "acme", string(key)), left); err != nil {
		t.Fatal(err)
	}
	h = blob.New(open(t, dir), nil).For("acme")
	if unfinished(t, dir) != 0 {
		t.Error("a second name of the bytes stayed behind")
	}
	if _, err := h.Head(t.Context(), key); err != nil {
		t.Errorf("the blob went with it: %v", err)
	}
}

func TestRemoveClient(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	for range 2 {
		if err := f.Prepare("acme"); err != nil {
			t.Fatal(err)
		}
	}
	s := blob.New(f, nil)
	gone, kept := put(t, s.For("acme"), "a"), put(t, s.For("globex"), "b")
	for range 2 {
		if err := f.Remove("acme"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.For("acme").Head(t.Context(), gone); !model.Is(err, model.NotFound) {
		t.Errorf("a blob of the client: got %v, want not_found", err)
	}
	if _, err := s.For("globex").Head(t.Context(), kept); err != nil {
		t.Errorf("a blob of another client: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "acme")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
}
