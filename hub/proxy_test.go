package hub

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestForwardedAddress(t *testing.T) {
	trusted := parseProxies([]string{"10.0.0.0/8", "192.0.2.7", "not an address"})
	for name, tc := range map[string]struct {
		remote string
		header []string
		want   string
	}{
		"no proxy":                      {"198.51.100.1:1234", nil, "198.51.100.1:1234"},
		"a stranger's claim":            {"198.51.100.1:1234", []string{"203.0.113.9"}, "198.51.100.1:1234"},
		"behind a proxy":                {"10.1.2.3:1234", []string{"203.0.113.9"}, "203.0.113.9:0"},
		"behind two proxies":            {"192.0.2.7:1234", []string{"203.0.113.9, 10.9.9.9"}, "203.0.113.9:0"},
		"two header lines":              {"10.1.2.3:1", []string{"203.0.113.9", "10.9.9.9"}, "203.0.113.9:0"},
		"a claim in front of the chain": {"10.1.2.3:1", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9:0"},
		"an unreadable hop":             {"10.1.2.3:1", []string{"203.0.113.9, what"}, "10.1.2.3:1"},
		"nothing but proxies":           {"10.1.2.3:1", []string{"10.4.4.4"}, "10.1.2.3:1"},
		"IPv6":                          {"10.1.2.3:1", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr = tc.remote
			for _, h := range tc.header {
				r.Header.Add("X-Forwarded-For", h)
			}
			var got string
			trusted.believe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).
				ServeHTTP(httptest.NewRecorder(), r)
			if got != tc.want {
				t.Errorf("the remote address is %s, want %s", got, tc.want)
			}
		})
	}
}
