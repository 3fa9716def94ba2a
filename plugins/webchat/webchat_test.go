package webchat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Run(t, Connector, &sdktest.Suite{
		Main:    "../../cmd/hub-plugin-webchat",
		Account: `{"config": {"allowed_origins": ["https://shop.example"], "locales": ["en", "de"], "attachments": true, "cookies": ["campaign"]}, "secrets": {"identity_secret": ["a secret for identities"]}}`,
	})
}

func TestOriginsAreSpelledAsBrowsersDo(t *testing.T) {
	for origin, want := range map[string]string{
		"*":                         "",
		"https://shop.example":      "",
		"http://127.0.0.1:8080":     "",
		"https://[2001:db8::1]":     "",
		"https://shop.example/":     `must be "https://shop.example"`,
		"https://Shop.Example":      `must be "https://shop.example"`,
		"https://shop.example:443":  `must be "https://shop.example"`,
		"http://shop.example:80":    `must be "http://shop.example"`,
		"https://shop.example/cart": `must be "https://shop.example"`,
		"https://a:b@shop.example":  `must be "https://shop.example"`,
		"https://*.shop.example":    "there are no patterns",
		"shop.example":              `must be "*" or an origin`,
		"ftp://shop.example":        `must be "*" or an origin`,
		"null":                      `must be "*" or an origin`,
		"":                          `must be "*" or an origin`,
	} {
		got := originFault(origin)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q in it", origin, got, want)
		}
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	got := validate(sdk.Account[settings]{Settings: settings{
		AllowedOrigins: []string{"https://shop.example", "https://shop.example/", "nowhere"},
		Cookies:        append([]string{"campaign", "__Host-cart", "utm_*", "", "a=b"}, make([]string, maxCookies)...)[:maxCookies+1],
	}})
	var fields []string
	for _, f := range got {
		fields = append(fields, f.Field)
	}
	want := []string{"config.allowed_origins[1]", "config.allowed_origins[2]"}
	for i := 2; i <= maxCookies; i++ {
		want = append(want, fmt.Sprintf("config.cookies[%d]", i))
	}
	want = append(want, "config.cookies")
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
}

func TestTextIsMeasuredInCharacters(t *testing.T) {
	for text, want := range map[string]bool{
		strings.Repeat("ß", maxText):   true,
		strings.Repeat("ß", maxText+1): false,
	} {
		if got := fits(text); got != want {
			t.Errorf("a text of %d bytes fits: %v, want %v", len(text), got, want)
		}
	}
}
