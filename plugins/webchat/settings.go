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
	IdentitySecret sdk.Secrets `json:"identity_secret" doc:"Signs who a visitor is on the client's own site. Not used yet."`
}

// validate judges what tags cannot: an origin that no browser would send would
// silently lock a site out.
func validate(a sdk.Account[settings]) []sdk.Fault {
	var faults []sdk.Fault
	for i, origin := range a.Settings.AllowedOrigins {
		if detail := originFault(origin); detail != "" {
			faults = append(faults, sdk.Fault{Field: fmt.Sprintf("config.allowed_origins[%d]", i), Detail: detail})
		}
	}
	return faults
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
