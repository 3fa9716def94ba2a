package keyslots

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

const client = model.ClientID("acme")

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func wrapped() []byte {
	b := make([]byte, 65)
	_, _ = rand.Read(b)
	return b
}

func TestKeysOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contact-keys")
	f := open(t, path)
	if !f.Fresh() || f.Used() {
		t.Error("a new file says that it was there, or was used")
	}
	want := map[string][]byte{}
	for i := range 600 { // more than the file grows by at once
		key := fmt.Sprintf("cnt_%d", i)
		want[key] = wrapped()
		if _, err := f.Create(client, key, want[key]); err != nil {
			t.Fatal(err)
		}
	}
	id := f.ID()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if f.Fresh() || !f.Used() || f.ID() != id || f.Damaged() != 0 {
		t.Errorf("fresh %v, used %v, id %s, damaged %d; want the file %s as it was", f.Fresh(), f.Used(), f.ID(), f.Damaged(), id)
	}
	for key, w := range want {
		if got, err := f.Load(client, key); err != nil || !bytes.Equal(got, w) {
			t.Errorf("%s: %x, %v; want %x", key, got, err, w)
		}
		if _, err := f.Load("other", key); !model.Is(err, model.NotFound) {
			t.Errorf("%s of another client: %v; want not found", key, err)
		}
	}
}

func TestCreateKeepsTheFirst(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "contact-keys"))
	first := wrapped()
	for _, w := range [][]byte{first, wrapped()} {
		if got, err := f.Create(client, "cnt_1", w); err != nil || !bytes.Equal(got, first) {
			t.Errorf("%x, %v; want the first", got, err)
		}
	}
	if _, err := f.Create(client, "cnt_2", make([]byte, MaxWrapped+1)); err == nil {
		t.Error("a key that does not fit was taken")
	}
}

// A destroyed key has left the file when the call returns, its slot is used
// again, and another key is not touched.
func TestDestroyLeavesNoByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contact-keys")
	f := open(t, path)
	gone, stays := wrapped(), wrapped()
	for key, w := range map[string][]byte{"cnt_gone": gone, "cnt_stays": stays} {
		if _, err := f.Create(client, key, w); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := f.Destroy(client, "cnt_gone"); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, gone[:16]) || bytes.Contains(content, gone[len(gone)-16:]) {
		t.Error("the file still holds the destroyed key")
	}
	if !bytes.Contains(content, stays) {
		t.Error("the other key is not in the file: the search finds nothing")
	}
	if _, err := f.Load(client, "cnt_gone"); !model.Is(err, model.NotFound) {
		t.Errorf("the destroyed key: %v; want not found", err)
	}
	before := len(content)
	if _, err := f.Create(client, "cnt_new", wrapped()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != int64(before) {
		t.Errorf("%d bytes, %v; want the slot used again", info.Size(), err)
	}
}

func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contact-keys")
	f := open(t, path)
	shared := make([][]byte, 8)
	var wg sync.WaitGroup
	for g := range shared {
		wg.Go(func() {
			for i := range 50 {
				key, w := fmt.Sprintf("cnt_%d_%d", g, i), wrapped()
				if _, err := f.Create(client, key, w); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					if err := f.Destroy(client, key); err != nil {
						t.Error(err)
					}
				} else if got, err := f.Load(client, key); err != nil || !bytes.Equal(got, w) {
					t.Errorf("%s: %v", key, err)
				}
			}
			var err error
			if shared[g], err = f.Create(client, "cnt_shared", wrapped()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, w := range shared[1:] {
		if !bytes.Equal(w, shared[0]) {
			t.Error("two callers have two keys of one name")
		}
	}
	_ = f.Close()
	if f = open(t, path); len(f.where) != 8*25+1 {
		t.Errorf("%d keys; want %d", len(f.where), 8*25+1)
	}
}

func TestWrongFiles(t *testing.T) {
	dir := t.TempDir()
	sound := filepath.Join(dir, "sound")
	f := open(t, sound)
	if _, err := f.Create(client, "cnt_1", wrapped()); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	content, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.IndexByte(content[slotSize:], used) + slotSize
	for name, c := range map[string]struct {
		change  func([]byte) []byte
		mode    os.FileMode
		want    string
		damaged int
	}{
		"empty":        {func([]byte) []byte { return nil }, 0o600, "put it back", 0},
		"other format": {func(b []byte) []byte { b[0] = 'x'; return b }, 0o600, "put it back", 0},
		"readable":     {func(b []byte) []byte { return b }, 0o644, "chmod 600", 0},
		"torn slot":    {func(b []byte) []byte { b[at+40] ^= 1; return b }, 0o600, "", 1},
		"cut short":    {func(b []byte) []byte { return b[:at+slotSize+7] }, 0o600, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(path, c.change(bytes.Clone(content)), c.mode); err != nil {
				t.Fatal(err)
			}
			f, err := Open(path)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v; want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Damaged() != c.damaged {
				t.Errorf("%d damaged slots; want %d", f.Damaged(), c.damaged)
			}
			// What is damaged is not written over.
			for i := range 3 {
				if _, err := f.Create(client, fmt.Sprint("cnt_new", i), wrapped()); err != nil {
					t.Fatal(err)
				}
			}
			if now, err := os.ReadFile(path); err != nil || c.damaged > 0 && now[at+40] != content[at+40]^1 {
				t.Errorf("the damaged slot was written over (%v)", err)
			}
		})
	}
}

// A disk that cannot say what it has ends the use of the file.
func TestFailedFlush(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "contact-keys"))
	if _, err := f.Create(client, "cnt_1", wrapped()); err != nil {
		t.Fatal(err)
	}
	_ = f.file.Close()
	if err := f.flush(); err == nil {
		t.Fatal("a flush of a closed file succeeded")
	}
	select {
	case <-f.Failed():
	default:
		t.Error("nobody is told")
	}
	if _, err := f.Load(client, "cnt_1"); !model.Is(err, model.Unavailable) || f.Err() == nil {
		t.Errorf("%v; want unavailable", err)
	}
}

func BenchmarkCreate(b *testing.B) {
	f, err := Open(filepath.Join(b.TempDir(), "contact-keys"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := wrapped()
	var n sync.Mutex
	i := 0
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Lock()
			i++
			key := fmt.Sprint(i)
			n.Unlock()
			if _, err := f.Create(client, key, w); err != nil {
				b.Error(err)
			}
		}
	})
}
