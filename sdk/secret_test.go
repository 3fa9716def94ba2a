package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestSecretNeverPrints(t *testing.T) {
	const value = "s3cr3t-value"
	secret, secrets := NewSecret(value), NewSecrets(value, "an older one")
	type nested struct {
		Open   Secret
		hidden Secret // where fmt does not ask methods
		list   Secrets
		deep   map[string]*Secret
	}
	n := nested{secret, secret, secrets, map[string]*Secret{"a": &secret}}
	var logged bytes.Buffer
	for _, json := range []bool{true, false} {
		logger := hclog.New(&hclog.LoggerOptions{Output: &logged, JSONFormat: json})
		logger.Info("m", "secret", secret, "pointer", &secret, "secrets", secrets, "nested", n, "formatted", hclog.Fmt("%s", secret))
	}
	marshalled, err := json.Marshal(map[string]any{"a": secret, "b": secrets, "c": n})
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{logged.String(), string(marshalled), fmt.Sprint(secret, secrets, n), fmt.Sprintln(&secret, &n), fmt.Errorf("%w: %v", errFor(secret), secret).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v", "%10.3s"} {
		printed = append(printed, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, secrets), fmt.Sprintf(verb, n), fmt.Sprintf(verb, &n), fmt.Sprintf(verb, []Secret{secret}))
	}
	for _, text := range printed {
		// Hex, too, and what %#v makes of a byte.
		if strings.Contains(text, value) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", value)) || strings.Contains(text, "older") {
			t.Errorf("printed: %s", text)
		}
	}
	if !strings.Contains(fmt.Sprintf("%v", secret), redacted) || secret.Reveal() != value || secrets.Current().Reveal() != value || len(secrets.All()) != 2 {
		t.Error("a secret is not what it was made of")
	}
	if (Secret{}).Reveal() != "" || !(Secret{}).IsZero() || !(Secrets{}).Current().IsZero() {
		t.Error("the zero secret is not empty")
	}
}

func errFor(s Secret) error { return fmt.Errorf("with %s", s) }

func TestRedactorTakesSecretsOut(t *testing.T) {
	r := &redactor{}
	r.learn([]string{"abcdef", `quo"ted`, "short", "abcdefgh"})
	for text, want := range map[string]string{
		"x abcdef y":        "x [secret] y",
		"abcdefgh":          "[secret]",
		`{"a":"quo\"ted"}`:  `{"a":"[secret]"}`,
		"short words stay":  "short words stay",
		"bad \xff byte":     "bad \uFFFD byte",
		"é cut in the rune": "é cut in the rune",
	} {
		if got := r.text(text, 100); got != want {
			t.Errorf("%q becomes %q instead of %q", text, got, want)
		}
	}
	if got := cut("aé", 2); got != "a" {
		t.Errorf("cut within a character: %q", got)
	}
	r.learn([]string{"another secret"})
	if got := r.text("another secret, abcdef", 100); got != "[secret], [secret]" {
		t.Errorf("after learning more: %q", got)
	}
	var out bytes.Buffer
	line := []byte("token abcdef\n")
	if n, err := r.writer(&out).Write(line); n != len(line) || err != nil || out.String() != "token [secret]\n" {
		t.Errorf("wrote %d, %v: %q", n, err, out.String())
	}
}
