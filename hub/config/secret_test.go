package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/hashicorp/go-hclog"
)

const testSecret = "s3cret-value"

func TestSecretIsNeverPrinted(t *testing.T) {
	s := NewSecret(testSecret)
	type hidden struct{ inner Secret }
	values := map[string]any{
		"value": s, "pointer": &s, "list": []Secret{s}, "map": map[string]Secret{"k": s},
		"field": struct{ S Secret }{s}, "hidden field": hidden{s}, "pointer to hidden field": &hidden{s},
		"token": BootstrapToken{Role: "operator", Token: s},
		"whole": &Config{Access: Access{BootstrapTokens: map[string]BootstrapToken{"x": {Token: s}}}},
	}
	for name, value := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		logger := hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Trace})
		logger.Info("text", "value", value)
		logger = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Trace, JSONFormat: true})
		logger.Info("json", "value", value)
		if text, err := json.Marshal(value); err == nil {
			out.Write(text)
		} else {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := yaml.Marshal(value); err == nil {
			out.Write(text)
		} else {
			t.Errorf("%s: %v", name, err)
		}
		for _, form := range []string{testSecret, fmt.Sprintf("%x", testSecret), fmt.Sprintf("%d", []byte(testSecret))} {
			if strings.Contains(out.String(), form) {
				t.Errorf("%s shows its value:\n%s", name, out.String())
			}
		}
	}
	if got := fmt.Sprint(s); got != redacted {
		t.Errorf("prints as %q", got)
	}
	if s.Reveal() != testSecret {
		t.Error("Reveal does not return the value")
	}
}

func TestSecretEqual(t *testing.T) {
	a, b := NewSecret(testSecret), NewSecret(testSecret)
	if !a.Equal(b) || a.Equal(NewSecret("other")) || a.Equal(Secret{}) || !NewSecret("").Equal(Secret{}) {
		t.Error("Equal does not compare values")
	}
	if !(Secret{}).IsZero() || !NewSecret("").IsZero() || a.IsZero() {
		t.Error("IsZero does not tell an empty secret")
	}
}
