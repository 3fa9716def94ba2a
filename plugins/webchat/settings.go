package webchat

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/channelhub/channelhub/sdk"
)

type settings struct {
	AllowedOrigins []string    `json:"allowed_origins" doc:"Origins of the sites that may embed the widget, such as https://shop.example; \"*\" allows every site. Pages of the hub itself always may."`
	Theme          string      `json:"theme" doc:"Colours of the widget where its script tag names none. Not used yet." enum:"auto,light,dark" default:"auto"`
	Locales        []string    `json:"locales" doc:"Languages of the widget, as BCP 47 tags, the default first. Not used yet."`
	Attachments    bool        `json:"attachments" doc:"Whether visitors may send files. What they may send, the account's own attachments say." default:"false"`
	Cookies        []string    `json:"cookies" doc:"Names of cookies of the site that the CSR sees while the session lasts. The widget sends no other. At most 32."`
	IdentitySecret sdk.Secrets `json:"identity_secret" doc:"Signs who a visitor is on the client's own site. Not used yet."`
}

// maxCookies is how many the hub keeps of one session.
const maxCookies = 32

// validate judges what tags cannot: an origin that no browser would send would
// silently lock a site out, and a cookie that cannot be would never be shown.
func validate(a sdk.Account[settings]) []sdk.Fault {
	var faults []sdk.Fault
	for i, origin := range a.Settings.AllowedOrigins {
		if detail := originFault(origin); detail != "" {
			faults = append(faults, sdk.Fault{Field: fmt.Sprintf("config.allowed_origins[%d]", i), Detail: detail})
		}
	}
	for i, name := range a.Settings.Cookies {
		if name == "" || strings.ContainsFunc(name, notInCookieName) {
			faults = append(faults, sdk.Fault{Field: fmt.Sprintf("config.cookies[%d]", i), Detail: "must be the name of one cookie, such as \"campaign\": there are no patterns"})
		}
	}
	if len(a.Settings.Cookies) > maxCookies {
		faults = append(faults, sdk.Fault{Field: "config.cookies", Detail: fmt.Sprintf("must name at most %d cookies", maxCookies)})
	}
	return faults
}

// notInCookieName reports whether a character cannot be in the name of a cookie
// (RFC 6265). An asterisk could, and would be taken for a pattern.
func notInCookieName(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}*`, r)
}

// originFault says what is wrong with an origin, or nothing. Browsers send one
// spelling only, and it is compared as it is.
func originFault(origin string) string {
	if origin == "*" {
		return ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return `must be "*" or an origin such as "https://shop.example"`
	}
	if strings.Contains(u.Host, "*") {
		return "must name one host: there are no patterns"
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	if want := u.Scheme + "://" + host; origin != want {
		return fmt.Sprintf("must be %q: scheme and host in lower case, no path and no default port, as browsers send it", want)
	}
	return ""
}
