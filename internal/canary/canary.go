// Package canary looks for words that must not be where it looks: a test puts
// markers in every place where a person's data can stand, lets the hub work,
// and searches whatever the hub has written for each marker in the forms that
// programs commonly give to text.
package canary

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// New returns a marker that no other test and no chance makes, and that no
// compression shortens. The name tells a reader of a hit where it was put; it
// is part of the marker in lower case.
func New(name string) string { return strings.ToLower("canary" + name + rand.Text()) }

// Hit is a marker that was found.
type Hit struct {
	Where  string // the file, or what the caller called the bytes
	Offset int
	Marker string
	Form   string // such as "plain" or "base64"
}

func (h Hit) String() string {
	return fmt.Sprintf("%s at byte %d: %q, %s", h.Where, h.Offset, h.Marker, h.Form)
}

type form struct {
	name  string
	bytes []byte
}

// Scan returns each form of each marker that is in data, once each, at its
// first place.
func Scan(where string, data []byte, markers ...string) []Hit {
	var hits []Hit
	for _, m := range markers {
		for _, f := range forms(m) {
			if at := bytes.Index(data, f.bytes); at >= 0 {
				hits = append(hits, Hit{Where: where, Offset: at, Marker: m, Form: f.name})
			}
		}
	}
	return hits
}

// ScanDir scans the names and contents of all files below dir. A file that is
// removed while it works is passed over.
func ScanDir(dir string, markers ...string) ([]Hit, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("scan for markers: %w", err) // a typo would find nothing
	}
	var hits []Hit
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		hits = append(hits, Scan(path+" (name)", []byte(d.Name()), markers...)...)
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		hits = append(hits, Scan(path, data, markers...)...)
		return err
	})
	if err != nil {
		return hits, fmt.Errorf("scan for markers: %w", err)
	}
	return hits, nil
}

func forms(marker string) []form {
	m := []byte(marker)
	all := []form{
		{"plain", m},
		{"plain, upper case", bytes.ToUpper(m)},
		{"hex", []byte(hex.EncodeToString(m))},
		{"hex, upper case", bytes.ToUpper([]byte(hex.EncodeToString(m)))},
	}
	le, be := make([]byte, 0, 2*len(m)), make([]byte, 0, 2*len(m))
	for _, u := range utf16.Encode([]rune(marker)) {
		le = append(le, byte(u), byte(u>>8))
		be = append(be, byte(u>>8), byte(u))
	}
	all = append(all, form{"UTF-16, little end first", le}, form{"UTF-16, big end first", be})
	for skip := range 3 {
		std := inBase64(base64.RawStdEncoding, m, skip)
		all = append(all, form{"base64", std})
		if url := inBase64(base64.RawURLEncoding, m, skip); !bytes.Equal(url, std) {
			all = append(all, form{"base64url", url})
		}
	}
	return all
}

// inBase64 is what is seen of m in the base64 of a longer text, where skip
// bytes of the group that m begins in belong to what stands before: the
// characters at both ends that also depend on the neighbours are left out.
func inBase64(enc *base64.Encoding, m []byte, skip int) []byte {
	padded := append(make([]byte, skip), m...)
	text := []byte(enc.EncodeToString(padded[:len(padded)/3*3]))
	if skip > 0 {
		text = text[skip+1:]
	}
	return text
}
