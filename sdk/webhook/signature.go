// Package webhook has what a Receive function needs: it checks and makes
// signatures, answers a provider's challenge, and decodes bodies strictly.
//
// Nothing in an unverified body may be believed. Check first, decode then.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/channelhub/channelhub/sdk"
)

// ErrSignature says that a request is not signed under any of the secrets. It
// does not say why: the text goes nowhere near the sender.
var ErrSignature = errors.New("the signature does not match")

// Verify checks the signature of a request under any of the account's secrets,
// in constant time for each. It takes the same declaration that the route
// carries.
func Verify(recipe sdk.HMACBody, request *sdk.Request, secrets sdk.Secrets) error {
	given := request.Header.Values(recipe.Header)
	if len(given) != 1 {
		return ErrSignature
	}
	digits, ok := strings.CutPrefix(given[0], recipe.Prefix)
	if !ok {
		return ErrSignature
	}
	mac, err := hex.DecodeString(digits)
	if err != nil {
		return ErrSignature
	}
	matches := false
	for _, secret := range secrets.All() {
		// An empty secret would let anybody sign.
		if !secret.IsZero() && hmac.Equal(mac, sum(request.Body, secret)) {
			matches = true
		}
	}
	if !matches {
		return ErrSignature
	}
	return nil
}

// Sign returns the value of the signature header for a body.
func Sign(recipe sdk.HMACBody, body []byte, secret sdk.Secret) string {
	return recipe.Prefix + hex.EncodeToString(sum(body, secret))
}

func sum(body []byte, secret sdk.Secret) []byte {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	_, _ = mac.Write(body) // never fails
	return mac.Sum(nil)
}

// maxChallenge is generous: the challenges in use have ten digits.
const maxChallenge = 256

// Challenge answers the request by which Meta's platforms check that a webhook
// is ours: a GET with hub.mode=subscribe, hub.verify_token and hub.challenge,
// whose answer is the challenge. ok is false when the request is no challenge
// at all; a challenge with a wrong token is answered 403.
func Challenge(request *sdk.Request, token sdk.Secret) (reply *sdk.Reply, ok bool) {
	if request.Method != http.MethodGet {
		return nil, false
	}
	u, err := url.Parse(request.URL)
	if err != nil {
		return nil, false
	}
	query := u.Query()
	if query.Get("hub.mode") != "subscribe" {
		return nil, false
	}
	challenge := query.Get("hub.challenge")
	given := []byte(query.Get("hub.verify_token"))
	if token.IsZero() || subtle.ConstantTimeCompare(given, []byte(token.Reveal())) != 1 || !plain(challenge) {
		return &sdk.Reply{Status: http.StatusForbidden}, true
	}
	return sdk.ReplyText(http.StatusOK, challenge), true
}

// plain says whether a challenge can be echoed: letters, digits and a few
// marks, so that the hub's origin never serves a stranger's markup.
func plain(challenge string) bool {
	if challenge == "" || len(challenge) > maxChallenge {
		return false
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return strings.Trim(challenge, allowed) == ""
}
