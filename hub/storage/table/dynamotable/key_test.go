package dynamotable

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// TestPartitionKeysAreText demands what the session policy of a client leans
// on: a text that begins with the root, is another for another key, and fits.
func TestPartitionKeysAreText(t *testing.T) {
	const root = "c/acme/"
	rapid.Check(t, func(t *rapid.T) {
		key := func(label string) string {
			return root + string(rapid.SliceOfN(rapid.Byte(), 0, driver.MaxKeyBytes-len(root)).Draw(t, label))
		}
		pk, other := key("key"), key("other")
		text := pkText(pk)
		if !strings.HasPrefix(text, root) || !utf8.ValidString(text) || len(text) > 2048 {
			t.Fatalf("%q became %q", pk, text)
		}
		if back, err := parsePK(text); err != nil || back != pk {
			t.Fatalf("%q became %q and came back as %q, %v", pk, text, back, err)
		}
		if (pkText(other) == text) != (other == pk) {
			t.Fatalf("%q and %q are one partition", pk, other)
		}
	})
	if own := "c/acme/v/cnv_0123"; pkText(own) != own {
		t.Errorf("%q became %q", own, pkText(own))
	}
	for _, bad := range []string{"a%", "a%4", "a%zz"} {
		if _, err := parsePK(bad); !model.Is(err, model.Corrupt) {
			t.Errorf("%q: error = %v, want code %q", bad, err, model.Corrupt)
		}
	}
}
