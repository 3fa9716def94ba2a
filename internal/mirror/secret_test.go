package mirror_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// TestSecretsAreKept has a connector keep what its provider gave: the account
// is opened with it, then and after a restart.
func TestSecretsAreKept(t *testing.T) {
	h := mirrored(t, newProvider(t))
	if got := token(h); got != "" {
		t.Fatalf("the account opened with %q", got)
	}
	for _, value := range []string{"given at run time", "renewed", strings.Repeat("x", 16<<10)} {
		if a := put(h, "token", value); a.Status != http.StatusOK {
			t.Fatalf("put %d bytes: %d %s", len(value), a.Status, a.Body)
		}
		opened(h, value)
		h.Restart()
		opened(h, value)
	}
}

// TestSecretsHaveLimits: what cannot be kept is an error to the connector, and
// leaves what is kept as it was.
func TestSecretsHaveLimits(t *testing.T) {
	h := mirrored(t, newProvider(t))
	if a := put(h, "token", "the first"); a.Status != http.StatusOK {
		t.Fatalf("put: %d %s", a.Status, a.Body)
	}
	opened(h, "the first")
	for name, tc := range map[string]struct{ name, value, says string }{
		"too large":        {"token", strings.Repeat("x", 16<<10+1), "a secret has 1 to 16384 bytes"},
		"empty":            {"token", "", "a secret has 1 to 16384 bytes"},
		"no name":          {"", "v", "a secret's name"},
		"a capital letter": {"Token", "v", "a secret's name"},
		"a slash":          {"k/token", "v", "a secret's name"},
		"a long name":      {strings.Repeat("n", 65), "v", "a secret's name"},
		"configured":       {"secret", "v", "stands in configuration"},
		"no setting":       {"tokens", "v", "is no setting of this connector"},
	} {
		a := put(h, tc.name, tc.value)
		if a.Status != http.StatusConflict || !strings.Contains(string(a.Body), tc.says) {
			t.Errorf("%s: %d %s, want an error that says %q", name, a.Status, a.Body, tc.says)
		}
	}
	h.Restart()
	opened(h, "the first")
}

func put(h *hubtest.Hub, name, value string) hubtest.Answer {
	return hook(h, "", fmt.Sprintf(`{"put":{"name":%q,"value":%q}}`, name, value))
}

func token(h *hubtest.Hub) string { return string(hook(h, "/token", `{}`).Body) }

// opened waits until the account has been opened with the token.
func opened(h *hubtest.Hub, want string) {
	h.Until("account to be opened with the secret", func() error {
		if got := token(h); got != want {
			return fmt.Errorf("it has one of %d bytes", len(got))
		}
		return nil
	})
}
