package proto

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The sums are written by the run that generates the code, so that a changed
// .proto file is noticed here without buf.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	sums, err := os.ReadFile("generated.sha256")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for scanner := bufio.NewScanner(bytes.NewReader(sums)); scanner.Scan(); {
		want, name, ok := strings.Cut(scanner.Text(), "  ")
		if !ok {
			t.Fatalf("generated.sha256 has a malformed line %q", scanner.Text())
		}
		listed = append(listed, name)
		content, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != want {
			t.Errorf("%s is not what the code was generated with: run make gen", name)
		}
	}

	var present []string
	for _, pattern := range []string{"*.proto", "*.pb.go"} {
		names, err := filepath.Glob(filepath.Join("channelhub", "connector", "*", pattern))
		if err != nil {
			t.Fatal(err)
		}
		present = append(present, names...)
	}
	slices.Sort(present)
	slices.Sort(listed)
	if !slices.Equal(present, listed) {
		t.Errorf("generated.sha256 lists %q, the tree has %q: run make gen", listed, present)
	}
}
