package seal

import (
	"fmt"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

func TestPRFNamesAreStableAndApart(t *testing.T) {
	w := newWorld(t)
	s := w.sealer()
	seen := map[model.Random16]string{}
	for _, client := range []model.ClientID{"", "acme", "beta"} {
		for _, in := range [][]string{
			{"a"},
			{"b"},
			{"a", ""},
			{"a", "", ""},
			{"a", "b"},
			{"ab"},
			{"ab", ""},
			{"", "ab"},
			{"a", "bc"},
			{"ab", "c"},
			{"abc"},
			{"a", "b", "c"},
			{"", "a", "b"},
			{""},
			{"", ""},
			{"a\x01b"},
			{"a", "\x01b"},
			{"a", "b\x01c"},
		} {
			name, err := w.client(s, client).PRF(t.Context(), in[0], in[1:]...)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s %q", client, in)
			if other, ok := seen[name]; ok {
				t.Errorf("%s and %s have the same name", what, other)
			}
			seen[name] = what
			again, err := w.client(w.sealer(), client).PRF(t.Context(), in[0], in[1:]...)
			if err != nil || again != name {
				t.Errorf("%s is named otherwise in another process: %v", what, err)
			}
		}
	}
}

// A long part must not run into the next: its length is written before it.
func FuzzPRFPartsAreUnambiguous(f *testing.F) {
	f.Add("purpose", "part", "other", uint8(3))
	f.Add("", "", "", uint8(0))
	root := &fakeRoot{}
	store := newFakeStore()
	c, err := New(root, func(model.ClientID) KeyStore { return store }, nil).Client(f.Context(), "acme")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, purpose, a, b string, cut uint8) {
		whole := a + b
		at := min(int(cut), len(whole))
		if at == len(a) {
			return
		}
		one, err := c.PRF(t.Context(), purpose, a, b)
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.PRF(t.Context(), purpose, whole[:at], whole[at:])
		if err != nil {
			t.Fatal(err)
		}
		if one == two {
			t.Errorf("%q, %q and %q, %q have the same name", a, b, whole[:at], whole[at:])
		}
	})
}

func TestSameMAC(t *testing.T) {
	a, b := model.Random16{1}, model.Random16{1}
	if !SameMAC(a, b) {
		t.Error("equal values differ")
	}
	b[15] = 1
	if SameMAC(a, b) {
		t.Error("different values are the same")
	}
}
