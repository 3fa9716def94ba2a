package ingress

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the provider's choice; an HMAC of it is not broken
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// verifyTwilio checks X-Twilio-Signature: the base64 of HMAC-SHA1 over the URL
// and, of a form, its parameters. The URL is the one configured at Twilio: the
// account's public_url when it has that setting, else the hub's own.
func verifyTwilio(secret string, acct accounts.Account, req pluginhost.HTTPRequest) bool {
	got, err := base64.StdEncoding.DecodeString(headerOf(req, "X-Twilio-Signature"))
	if err != nil || len(got) != sha1.Size {
		return false
	}
	params, ok := signedParams(req)
	if !ok {
		return false
	}
	matched := false
	for _, at := range spellings(signedURL(acct, req)) {
		for _, key := range acct.AllSecrets()[secret] {
			mac := hmac.New(sha1.New, []byte(key))
			_, _ = mac.Write([]byte(at + params))
			if hmac.Equal(got, mac.Sum(nil)) {
				matched = true
			}
		}
	}
	return matched
}

// signedURL is the URL as Twilio has it.
func signedURL(acct accounts.Account, req pluginhost.HTTPRequest) string {
	var settings struct {
		PublicURL string `json:"public_url"`
	}
	if err := json.Unmarshal(acct.Config, &settings); err == nil && settings.PublicURL != "" {
		return settings.PublicURL
	}
	return req.URL
}

// signedParams is what is signed behind the URL: names and values of a form,
// by name, each value once and in order. Of any other body the URL holds the
// hash.
func signedParams(req pluginhost.HTTPRequest) (string, bool) {
	if req.Method != http.MethodPost {
		return "", len(req.Body) == 0
	}
	kind, _, _ := mime.ParseMediaType(headerOf(req, "Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		u, err := url.Parse(req.URL)
		if err != nil {
			return "", false
		}
		sum := sha256.Sum256(req.Body)
		return "", hmac.Equal([]byte(u.Query().Get("bodySHA256")), []byte(hex.EncodeToString(sum[:])))
	}
	form, err := url.ParseQuery(string(req.Body))
	if err != nil {
		return "", false
	}
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(v)
		}
	}
	return b.String(), true
}

// spellings are the forms of a URL that Twilio may have signed: as given, and
// with or without the port that its scheme implies, each with a quote in the
// query as it is or escaped.
func spellings(at string) []string {
	out := []string{at}
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		scheme, rest, _ := strings.Cut(at, "://")
		host, tail := rest[:len(u.Host)], rest[len(u.Host):]
		if u.Port() != "" {
			out = append(out, scheme+"://"+strings.TrimSuffix(host, ":"+u.Port())+tail)
		} else if port := map[string]string{"https": "443", "http": "80"}[u.Scheme]; port != "" {
			out = append(out, scheme+"://"+net.JoinHostPort(u.Hostname(), port)+tail)
		}
	}
	for _, s := range slices.Clone(out) {
		if path, query, ok := strings.Cut(s, "?"); ok && strings.ContainsAny(query, "'%") {
			out = append(out, path+"?"+strings.ReplaceAll(query, "%27", "'"), path+"?"+strings.ReplaceAll(query, "'", "%27"))
		}
	}
	return out
}
