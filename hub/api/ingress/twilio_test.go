package ingress

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as Twilio does
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// TestTwilio starts from the vector that Twilio's own documentation gives.
func TestTwilio(t *testing.T) {
	const vector = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
	const at = "https://mycompany.com/myapp.php?foo=1&bar=2"
	form := url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"},
		"From": {"+14158675309"}, "To": {"+18005551212"},
	}.Encode()
	sign := func(key, data string) string {
		mac := hmac.New(sha1.New, []byte(key))
		_, _ = mac.Write([]byte(data))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	acct := accounts.Account{Secrets: accounts.Secrets{"auth_token": {"54321", "12345"}}, Config: []byte("{}")}
	behind := acct
	behind.Config = []byte(`{"public_url":"` + at + `"}`)
	for name, c := range map[string]struct {
		acct              accounts.Account
		method, url, kind string
		body, signature   string
		want              bool
	}{
		"the vector":           {acct, "POST", at, "application/x-www-form-urlencoded", form, vector, true},
		"with a charset":       {acct, "POST", at, "application/x-www-form-urlencoded; charset=utf-8", form, vector, true},
		"another order":        {acct, "POST", at, "application/x-www-form-urlencoded", "To=%2B18005551212&" + form[:len(form)-len("&To=%2B18005551212")], vector, true},
		"another body":         {acct, "POST", at, "application/x-www-form-urlencoded", form + "&Body=x", vector, false},
		"another URL":          {acct, "POST", at + "3", "application/x-www-form-urlencoded", form, vector, false},
		"public_url":           {behind, "POST", "http://10.0.0.1:8080/in/sms/a", "application/x-www-form-urlencoded", form, vector, true},
		"no signature":         {acct, "POST", at, "application/x-www-form-urlencoded", form, "", false},
		"no base64":            {acct, "POST", at, "application/x-www-form-urlencoded", form, "*", false},
		"another key":          {acct, "POST", at, "application/x-www-form-urlencoded", form, sign("guess", at), false},
		"the default port":     {acct, "POST", "https://a.example/x", "application/x-www-form-urlencoded", "a=1", sign("12345", "https://a.example:443/xa1"), true},
		"a port left out":      {acct, "POST", "https://a.example:8443/x", "application/x-www-form-urlencoded", "a=1", sign("12345", "https://a.example/xa1"), true},
		"an escaped quote":     {acct, "GET", "https://a.example/x?q=%27", "", "", sign("12345", "https://a.example/x?q='"), true},
		"a name twice":         {acct, "POST", "https://a.example/x", "application/x-www-form-urlencoded", "a=2&a=1&a=2&b=", sign("12345", "https://a.example/xa1a2b"), true},
		"JSON, its hash":       {acct, "POST", "https://a.example/x?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "application/json", "{}", sign("12345", "https://a.example/x?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"), true},
		"JSON, another's hash": {acct, "POST", "https://a.example/x?bodySHA256=00", "application/json", "{}", sign("12345", "https://a.example/x?bodySHA256=00"), false},
		"JSON without a hash":  {acct, "POST", "https://a.example/x", "application/json", "{}", sign("12345", "https://a.example/x"), false},
	} {
		req := pluginhost.HTTPRequest{Method: c.method, URL: c.url, Body: []byte(c.body), Headers: []pluginhost.Header{
			{Name: "content-type", Values: []string{c.kind}}, {Name: "x-twilio-signature", Values: []string{c.signature}},
		}}
		ok, can := verify(pluginhost.SignatureRecipe{Twilio: &pluginhost.TwilioSignature{Secret: "auth_token"}}, c.acct, req)
		if !can || ok != c.want {
			t.Errorf("%s: %v, can %v; want %v", name, ok, can, c.want)
		}
	}
	if _, can := verify(pluginhost.SignatureRecipe{}, acct, pluginhost.HTTPRequest{Method: http.MethodPost}); can {
		t.Error("a recipe that is none can be checked")
	}
}
