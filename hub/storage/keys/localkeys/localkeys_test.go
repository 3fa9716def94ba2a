package localkeys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
	"github.com/channelhub/channelhub/hub/storage/keys/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Open {
		path := filepath.Join(t.TempDir(), "keyring.json")
		return func(t *testing.T) driver.Driver { return open(t, path) }
	})
}

func open(t *testing.T, path string) *Keyring {
	t.Helper()
	k, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var acme = driver.Context{Client: "acme", Purpose: "keyset/seal"}

func TestFirstStartMakesAPrivateFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	path := filepath.Join(dir, "keyring.json")
	open(t, path)
	for name, want := range map[string]fs.FileMode{path: 0o600, dir: 0o700 | fs.ModeDir} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", name, info.Mode(), want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the keyring alone", entries, err)
	}
}

func TestRefuses(t *testing.T) {
	good := func(t *testing.T, path string) []byte {
		open(t, path)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	write := func(t *testing.T, path string, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, path string)
		code    model.Code
		says    string
	}{
		{"readable by the group", func(t *testing.T, path string) {
			good(t, path)
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
		}, model.Denied, "chmod 600 "},
		{"writable by the world", func(t *testing.T, path string) {
			good(t, path)
			if err := os.Chmod(path, 0o602); err != nil {
				t.Fatal(err)
			}
		}, model.Denied, "chmod 600 "},
		{"empty", func(t *testing.T, path string) { write(t, path, nil) }, model.Corrupt, "damaged"},
		{"cut short", func(t *testing.T, path string) {
			content := good(t, path)
			write(t, path, content[:len(content)/2])
		}, model.Corrupt, "damaged"},
		{"not a keyring", func(t *testing.T, path string) { write(t, path, []byte(`{"a":1}`)) }, model.Corrupt, "damaged"},
		{"too large", func(t *testing.T, path string) { write(t, path, make([]byte, maxFile+1)) }, model.Corrupt, "larger"},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, model.Corrupt, "not a file"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyring.json")
			tc.prepare(t, path)
			_, err := Open(path, nil)
			if !model.Is(err, tc.code) {
				t.Fatalf("got %v, want %s", err, tc.code)
			}
			for _, part := range []string{tc.says, path} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
	}
}

func TestErrorNeverShowsKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	open(t, path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Each cut of a real keyring leaves key material in what the reader sees.
	for n := range content {
		if err := os.WriteFile(path, content[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, nil)
		if err == nil {
			t.Fatalf("a keyring cut at %d of %d bytes was accepted", n, len(content))
		}
		if got, want := err.Error(), "open keyring: corrupt: "+path+" is damaged: put it back from your copy"; got != want {
			t.Fatalf("cut at %d: got %q, want %q", n, got, want)
		}
	}
}

func TestMustExist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	if _, err := Open(path, &Options{MustExist: true}); !model.Is(err, model.NotFound) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want not_found naming the file", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a keyring was made all the same")
	}
	open(t, path)
	if _, err := Open(path, &Options{MustExist: true}); err != nil {
		t.Error(err)
	}
}

// TestStartersAgree lets many first starts race: whatever one of them wrapped
// must open with the keyring that stays.
func TestStartersAgree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	blobs := make([][]byte, 16)
	var wg sync.WaitGroup
	for i := range blobs {
		wg.Go(func() {
			k, err := Open(path, nil)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			blobs[i], err = k.Wrap(t.Context(), acme, []byte("secret"))
			if err != nil {
				t.Errorf("wrap: %v", err)
			}
		})
	}
	wg.Wait()
	last := open(t, path)
	for i, blob := range blobs {
		if _, err := last.Unwrap(t.Context(), acme, blob); err != nil {
			t.Errorf("starter %d: %v", i, err)
		}
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keyring.json")
	open(t, path)
	left := filepath.Join(dir, ".keyring-123")
	if err := os.Link(path, left); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a second name of the root key stayed behind")
	}
}

// TestOlderKeysStillOpen rotates by hand: a new primary is added to the file.
func TestOlderKeysStillOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	before := open(t, path)
	wrapped, err := before.Wrap(t.Context(), acme, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.SetPrimary(id); err != nil {
		t.Fatal(err)
	}
	if handle, err = manager.Handle(); err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	after := open(t, path)
	if got, err := after.Unwrap(t.Context(), acme, wrapped); err != nil || string(got) != "secret" {
		t.Errorf("an older blob: got %q, %v", got, err)
	}
	fresh, err := after.Wrap(t.Context(), acme, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := keyID(fresh); !ok || got != id {
		t.Errorf("wrapped under %s, want the new key %s", name(got), name(id))
	}
	if _, err := before.Unwrap(t.Context(), acme, fresh); !model.Is(err, model.Corrupt) || !strings.Contains(err.Error(), name(id)) {
		t.Errorf("a keyring without the key: got %v, want corrupt naming it", err)
	}
}
