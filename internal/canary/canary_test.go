package canary

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestScanFindsEveryForm(t *testing.T) {
	marker := New("text")
	utf16of := func(big bool) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune("say " + marker)) {
			if big {
				b.WriteByte(byte(u >> 8))
				b.WriteByte(byte(u))
			} else {
				b.WriteByte(byte(u))
				b.WriteByte(byte(u >> 8))
			}
		}
		return b.String()
	}
	hidden := map[string]string{
		"plain":             "say " + marker + "!",
		"plain, upper case": strings.ToUpper(marker),
		"hex":               hex.EncodeToString([]byte("say " + marker)),
		"hex, upper case":   strings.ToUpper(hex.EncodeToString([]byte(marker))),
		"UTF-16, little":    utf16of(false),
		"UTF-16, big":       utf16of(true),
	}
	for before := range 7 {
		for after := range 7 {
			text := []byte(strings.Repeat("\xfb", before) + marker + strings.Repeat("\xff", after))
			name := string(rune('0'+before)) + " before and " + string(rune('0'+after)) + " behind"
			hidden["base64, "+name] = base64.StdEncoding.EncodeToString(text)
			hidden["base64url, "+name] = base64.RawURLEncoding.EncodeToString(text)
		}
	}
	inJSON, err := json.Marshal(map[string]any{"k": []byte(`{"text":"` + marker + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	hidden["bytes in JSON"] = string(inJSON)
	for name, text := range hidden {
		if hits := Scan(name, []byte("\x00"+text+"\x00"), New("other"), marker); len(hits) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestScanFindsNothingElse(t *testing.T) {
	marker := New("text")
	others := strings.Repeat(New("text")+base64.StdEncoding.EncodeToString([]byte(New("text"))), 1000)
	if hits := Scan("others", []byte(others+marker[:len(marker)-1]), marker); len(hits) > 0 {
		t.Errorf("found %v", hits)
	}
}

func TestScanDirLooksEverywhere(t *testing.T) {
	marker, named := New("text"), New("name")
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "innocent"): "nothing",
		filepath.Join(deep, "guilty"):  "say " + marker,
		filepath.Join(deep, named):     "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hits, err := ScanDir(dir, marker, named)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, h := range hits {
		found[h.Marker] = h.Where
	}
	if len(hits) != 2 || found[marker] != filepath.Join(deep, "guilty") || found[named] != filepath.Join(deep, named)+" (name)" {
		t.Errorf("found %v", hits)
	}
	for _, missing := range []string{filepath.Join(dir, "innocent", "x"), filepath.Join(dir, "absent")} {
		if _, err := ScanDir(missing, marker); err == nil {
			t.Errorf("%s was scanned", missing)
		}
	}
}
