package ingress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/textproto"
	"strings"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// verify checks a request by the recipe that its connector declared, under the
// secrets of an account. Can is
// false when this hub does not know the recipe.
func verify(recipe pluginhost.SignatureRecipe, acct accounts.Account, req pluginhost.HTTPRequest) (ok, can bool) {
	switch {
	case recipe.HMACBody != nil:
		return verifyHMAC(*recipe.HMACBody, acct.AllSecrets(), req), true
	case recipe.Twilio != nil:
		return verifyTwilio(recipe.Twilio.Secret, acct, req), true
	}
	return false, false
}

// verifyHMAC checks the hex HMAC-SHA256 of the raw body, in constant time,
// against every value of the secret.
func verifyHMAC(h pluginhost.HMACBody, secrets accounts.Secrets, req pluginhost.HTTPRequest) bool {
	digits, found := strings.CutPrefix(headerOf(req, h.Header), h.Prefix)
	if !found {
		return false
	}
	got, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	ok := false
	for _, secret := range secrets[h.Secret] {
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = mac.Write(req.Body)
		if hmac.Equal(got, mac.Sum(nil)) {
			ok = true
		}
	}
	return ok
}

func headerOf(req pluginhost.HTTPRequest, name string) string {
	name = textproto.CanonicalMIMEHeaderKey(name)
	for _, h := range req.Headers {
		if textproto.CanonicalMIMEHeaderKey(h.Name) == name && len(h.Values) == 1 {
			return h.Values[0]
		}
	}
	return ""
}
