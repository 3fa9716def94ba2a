package providerhttp

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/internal/egress"
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "0.0.0.0:80", "[::]:80", "10.0.0.1:443", "172.16.0.1:80", "172.31.255.255:80",
		"192.168.1.1:80", "169.254.169.254:80", "[fe80::1]:80", "[fd00:ec2::254]:80", "[fec0::1]:80", "100.64.0.1:80", "192.0.0.192:80",
		"198.18.0.1:80", "224.0.0.1:80", "[ff02::1]:80", "255.255.255.255:80", "240.0.0.1:80", "0.1.2.3:80",
		"[::ffff:127.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[64:ff9b::7f00:1]:80", "[2002:7f00:1::]:80", "[2001:db8::1]:80", "203.0.113.9:80",
	} {
		if err := checkPublic(address); !errors.Is(err, errPrivate) {
			t.Errorf("%s gives %v", address, err)
		}
	}
	for _, address := range []string{"8.8.8.8:443", "157.240.1.1:443", "[2a03:2880:f003::1]:443", "172.32.0.1:80", "100.128.0.1:80", "[2600::1]:80"} {
		if err := checkPublic(address); err != nil {
			t.Errorf("%s gives %v", address, err)
		}
	}
	if err := checkPublic("no address"); err == nil {
		t.Error("what is no address is public")
	}
}

func TestOnlyNamedHostsMayBePrivate(t *testing.T) {
	_, url := serving(t, nil, func(http.ResponseWriter, *http.Request) {})
	port := url[len("http://127.0.0.1:"):]
	for _, c := range []struct {
		named string
		host  string
		ok    bool
	}{
		{"127.0.0.1:" + port, "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"localhost", "LOCALHOST", true},
		{"127.0.0.1:1", "127.0.0.1", false},
		{"127.0.0.2", "127.0.0.1", false},
		// A name is no licence for the address it leads to.
		{"localhost", "127.0.0.1", false},
		{"127.0.0.1", "localhost", false},
		{"", "127.0.0.1", false},
		{"", "[::ffff:127.0.0.1]", false},
	} {
		_, err := client(nil, c.named).Post(t.Context(), "http://"+c.host+":"+port, "", nil, nil)
		if c.ok != (err == nil) {
			t.Errorf("%s, with %q named: %v", c.host, c.named, err)
		}
		if err != nil && (outcome(t, err).Kind != sdk.OutcomeRejected || outcome(t, err).Code != "address_refused") {
			t.Errorf("%s, with %q named: %v", c.host, c.named, err)
		}
	}
}

func TestRedirectIntoThePrivateNetworkIsRefused(t *testing.T) {
	_, inside := serving(t, nil, func(http.ResponseWriter, *http.Request) { t.Error("the inside was reached") })
	c, url := serving(t, &Options{Redirects: 3}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside, http.StatusTemporaryRedirect)
	})
	if _, err := c.Post(t.Context(), url, "", nil, nil); outcome(t, err).Code != "address_refused" {
		t.Errorf("the redirect gives %v", err)
	}
}

func TestSuiteNeverLeavesLoopback(t *testing.T) {
	egress.LoopbackOnly.Store(true)
	defer egress.LoopbackOnly.Store(false)
	// An address kept for documentation: nobody is there, and nobody is asked.
	_, err := client(nil, "192.0.2.1").Post(t.Context(), "http://192.0.2.1/", "", nil, nil)
	if outcome(t, err).Kind != sdk.OutcomeRetry || !strings.Contains(err.Error(), egress.ErrBeyondLoopback.Error()) {
		t.Errorf("beyond loopback: %v", err)
	}
	c, url := serving(t, nil, func(http.ResponseWriter, *http.Request) {})
	if _, err := c.Post(t.Context(), url, "", nil, nil); err != nil {
		t.Errorf("on loopback: %v", err)
	}
}
