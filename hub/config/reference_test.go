package config

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// fixedResolver makes a value out of each reference.
type fixedResolver struct{}

func (*fixedResolver) value(ref Reference) string {
	return "value-of-" + ref.Scheme + "-" + ref.Name + strings.Repeat("-", minTokenLength)
}

func (r *fixedResolver) Resolve(_ context.Context, ref Reference) (string, error) {
	return r.value(ref), nil
}

func TestExpand(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"one": "1\n", "two": "2\n\n", "crlf": "3\r\n", "big": strings.Repeat("x", maxReferenceFile+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	resolver := &LocalResolver{LookupEnv: lookupIn([]string{"A=a", "EQ=x=y", "LOOP=${env:A}"})}
	for text, want := range map[string]string{
		"plain":                 "plain",
		"":                      "",
		"$":                     "$",
		"$x{":                   "$x{",
		"${env:A}":              "a",
		"<${env:A}|${env:A}>":   "<a|a>",
		"$${env:A}":             "${env:A}",
		"$$${env:A}":            "$${env:A}",
		"$${x}${env:A}":         "${x}a",
		"${env:EQ}":             "x=y",
		"${env:LOOP}":           "${env:A}", // a value is not read again
		"${file:one}":           "1",
		"${file:two}":           "2\n", // one newline, not all
		"${file:crlf}":          "3",
		"http://${env:A}:80/$x": "http://a:80/$x",
	} {
		got, err := expand(t.Context(), text, resolver)
		if err != nil || got != want {
			t.Errorf("expand(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"${", "${}", "${env}", "${env:}", "${:x}", "${env:A", "${env:B}", "${file:missing}", "${file:.}", "${file:big}",
		"${aws-sm:x}", "${aws-ssm:/x}", "${other:x}",
	} {
		if got, err := expand(t.Context(), text, resolver); err == nil {
			t.Errorf("expand(%q) = %q, want an error", text, got)
		}
	}
}

func TestUnknownKindOfReferenceIsNotQuoted(t *testing.T) {
	_, err := expand(t.Context(), "pass${wo:rd}", &LocalResolver{})
	if !errors.Is(err, errReferenceKind) || strings.Contains(err.Error(), "wo:rd") {
		t.Errorf("error %v quotes what may be a secret", err)
	}
}
