package chat

import (
	"encoding/json"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"github.com/channelhub/channelhub/hub/accounts"
)

// socketSettings is what the hub itself reads of the settings of an account on
// the chat mount, whichever connector it belongs to.
type socketSettings struct {
	AllowedOrigins []string `json:"allowed_origins"`
	// Attachments is whether visitors may send files.
	Attachments bool `json:"attachments"`
	// Cookies names those of the embedding page that the CSR may see.
	Cookies []string `json:"cookies"`
}

// takesFiles reports whether visitors of the account may send files.
func takesFiles(acct accounts.Account) bool {
	var s socketSettings
	return json.Unmarshal(acct.Config, &s) == nil && s.Attachments
}

// cookiesOf is the names of the cookies that pages may tell; none when the
// settings cannot be read.
func cookiesOf(acct accounts.Account) []string {
	var s socketSettings
	if json.Unmarshal(acct.Config, &s) != nil {
		return nil
	}
	return s.Cookies
}

// originAllowed reports whether a page of the origin may open sockets of the
// account: the hub's own pages may, and those whose origin the operator named
// exactly. "*" names all. A request without an origin is not from a page.
func originAllowed(origin string, acct accounts.Account, external string) bool {
	if origin == "" {
		return false
	}
	if own, ok := originOf(external); ok && origin == own {
		return true
	}
	var s socketSettings
	if err := json.Unmarshal(acct.Config, &s); err != nil {
		return false // the connector refuses such settings, and says why
	}
	return slices.Contains(s.AllowedOrigins, origin) || slices.Contains(s.AllowedOrigins, "*")
}

// originOf returns the origin of a URL as browsers spell it.
func originOf(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", false
	}
	host := u.Host
	if port := u.Port(); port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		host = host[:len(host)-len(port)-1]
	}
	return u.Scheme + "://" + host, true
}

// addressGroup is what the limit on remote addresses counts by. Whoever has
// one IPv6 address has its /64.
func addressGroup(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return remote
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return prefix.String()
}
