package telemetry

import (
	"regexp"
	"strings"
)

// redacted is what stands in a log for a secret.
const redacted = "[redacted]"

// scrubs find, anywhere in a text, what must not be in a log whoever wrote it.
// They are the second line of defence: an error's text may come from a
// provider, a library or a plugin.
var scrubs = []struct {
	find *regexp.Regexp
	with string
}{
	// Our own tokens: hub_<id>_<secret>, the secret of 256 bits.
	{regexp.MustCompile(`\bhub_[A-Za-z0-9-]+_[A-Za-z0-9_-]{32,}`), redacted},
	{regexp.MustCompile(`\bwhsec_[A-Za-z0-9+/=_-]+`), redacted},
	{regexp.MustCompile(`(?i)\b(bearer)\s+[A-Za-z0-9._~+/=|-]{8,}`), "$1 " + redacted},
	{regexp.MustCompile(`(?i)\b(basic)\s+[A-Za-z0-9+/=]{16,}`), "$1 " + redacted},
	// Secrets in a query, a form or a fragment.
	{regexp.MustCompile(`(?i)\b((?:[a-z0-9]+[_.-])*(?:token|secret|password|passwd|api_?key|signature|proof|credential))=[^&\s"']+`), "$1=" + redacted},
	// And in JSON, as a provider may send one back.
	{regexp.MustCompile(`(?i)("[a-z0-9_.-]*(?:token|secret|password|passwd|api_?key|signature|credential)"\s*:\s*)"(?:[^"\\]|\\.)*"?`), `$1"` + redacted + `"`},
	// The user information of a URL.
	{regexp.MustCompile(`://[^/\s@:]+:[^/\s@]+@`), "://" + redacted + "@"},
	// Meta's and AWS's, which have a form.
	{regexp.MustCompile(`\bEAA[A-Za-z0-9]{20,}`), redacted},
	{regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`), redacted},
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*`), redacted},
	// A WhatsApp message id is base64 that contains the phone number.
	{regexp.MustCompile(`\bwamid\.[A-Za-z0-9+/=_-]+`), hidden},
	{regexp.MustCompile(`\bcnt_[0-9a-v]{26}\b`), hidden},
	// A phone number as everybody writes it to a machine.
	{regexp.MustCompile(`\+[1-9][0-9]{6,14}\b`), hidden},
}

// secretKeys are field names whose value is never shown.
var secretKeys = regexp.MustCompile(`(?i)(token|secret|password|passwd|authorization|cookie|api_?key|credential|private_?key)$`)

// maxScan bounds what is searched: more would cost time, and is cut anyway.
const maxScan = 64 << 10

// scrub takes secrets and contact ids out of a text from anywhere.
func scrub(s string) string {
	if len(s) > maxScan {
		s = s[:maxScan]
		// The cut may have gone through a token whose rest no longer has its
		// form: the last word goes too.
		s = s[:strings.LastIndexAny(s, " \t\n")+1]
	}
	for _, r := range scrubs {
		s = r.find.ReplaceAllString(s, r.with)
	}
	return s
}
