package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
)

func TestTokenLife(t *testing.T) {
	f := newFixture(t)
	w := f.do(access.Configurator, "POST", "/admin/v1/tokens", `{"role":"client","client_id":"beta","expires_after":"30d"}`)
	made := want[CreatedToken](f, http.StatusCreated, w)
	if !strings.HasPrefix(made.Secret, "hub_"+made.ID+"_") || made.Consumer != made.ID || made.ExpiresAt == nil {
		t.Errorf("made %+v", made)
	}
	if w.Header().Get("Location") != "/admin/v1/tokens/"+made.ID || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	p, err := f.tokens.Authenticate(t.Context(), made.Secret)
	if diff := cmp.Diff(access.Principal{Token: made.ID, Role: access.Machine, Client: "beta", Consumer: made.ID}, p); err != nil || diff != "" {
		t.Fatalf("%v, (-want +got):\n%s", err, diff)
	}
	secret := strings.Split(made.Secret, "_")[2]
	for _, path := range []string{"/admin/v1/tokens", "/admin/v1/tokens/" + made.ID} {
		if shown := f.do(access.Configurator, "GET", path, ""); shown.Code != http.StatusOK || strings.Contains(shown.Body.String(), secret) {
			t.Errorf("%s shows the secret, or nothing: %d", path, shown.Code)
		}
	}
	for range 2 { // revoking twice is harmless
		if w := f.do(access.Configurator, "DELETE", "/admin/v1/tokens/"+made.ID, ""); w.Code != http.StatusNoContent {
			t.Errorf("revoke: %d %s", w.Code, w.Body)
		}
	}
	if _, err := f.tokens.Authenticate(t.Context(), made.Secret); err == nil {
		t.Error("a revoked token still works")
	}
	wantLog := []string{"token.create token/" + made.ID + " done", "token.revoke token/" + made.ID + " done"}
	if diff := cmp.Diff(wantLog, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

func TestConfiguredTokensCanBeRevoked(t *testing.T) {
	f := newFixture(t)
	// The token is used before, so that it is remembered.
	want[Health](f, http.StatusOK, f.do(access.Auditor, "GET", "/admin/v1/health", ""))
	etag := f.do(access.Configurator, "GET", "/admin/v1/tokens/boot-auditor", "").Header().Get("ETag")
	want[web.Problem](f, http.StatusPreconditionFailed, f.do(access.Configurator, "DELETE", "/admin/v1/tokens/boot-auditor", "", "If-Match", `"x"`))
	if w := f.do(access.Configurator, "DELETE", "/admin/v1/tokens/boot-auditor", "", "If-Match", etag); w.Code != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", w.Code, w.Body)
	}
	want[web.Problem](f, http.StatusUnauthorized, f.do(access.Auditor, "GET", "/admin/v1/health", ""))
	v := want[Token](f, http.StatusOK, f.do(access.Configurator, "GET", "/admin/v1/tokens/boot-auditor", ""))
	if !v.Configured || v.RevokedAt == nil || v.Role != "auditor" {
		t.Errorf("token %+v", v)
	}
	list := want[web.List[Token]](f, http.StatusOK, f.do(access.Configurator, "GET", "/admin/v1/tokens", ""))
	if len(list.Data) != len(allRoles()) {
		t.Errorf("%d tokens, want %d", len(list.Data), len(allRoles()))
	}
}

func TestTokensThatCannotBeMade(t *testing.T) {
	f := newFixture(t)
	for body, fields := range map[string][]string{
		`{}`:                                     {"role"},
		`{"role":"king"}`:                        {"role"},
		`{"role":"client"}`:                      {"client_id"},
		`{"role":"client","client_id":"nobody"}`: {"client_id"},
		`{"role":"operator","client_id":"acme"}`: {"client_id"},
		`{"role":"operator","consumer":"No Spaces","expires_after":"soon"}`: {"consumer", "expires_after"},
		`{"role":"operator","expires_after":"-1h"}`:                         {"expires_after"},
		`{"role":"operator","expires_after":"9999999999999999999d"}`:        {"expires_after"},
		`{"role":"operator","expires_after":"4000d"}`:                       {"expires_after"},
		`{"role":"operator","secret":"mine"}`:                               {"secret"},
		`{"role":"operator","expires_after":5}`:                             {"expires_after"},
		`{"role":"client","client_id":"acme","consumer":"` + "a/b" + `"}`:   {"consumer"},
	} {
		p := want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Configurator, "POST", "/admin/v1/tokens", body))
		var got []string
		for _, fault := range p.Faults {
			got = append(got, fault.Field)
		}
		if diff := cmp.Diff(fields, got); diff != "" {
			t.Errorf("%s: faults at (-want +got):\n%s", body, diff)
		}
	}
	want[web.Problem](f, http.StatusBadRequest, f.do(access.Configurator, "POST", "/admin/v1/tokens", `{"role":`))
	want[web.Problem](f, http.StatusRequestEntityTooLarge, f.do(access.Configurator, "POST", "/admin/v1/tokens", strings.Repeat(" ", 5<<10)))
	want[web.Problem](f, http.StatusUnsupportedMediaType, f.do(access.Configurator, "POST", "/admin/v1/tokens", `{}`, "Content-Type", "text/plain"))
	want[web.Problem](f, http.StatusNotFound, f.do(access.Configurator, "DELETE", "/admin/v1/tokens/nobody", ""))
	if log := f.audited(); len(log) > 0 {
		t.Errorf("refused calls were audited: %v", log)
	}
}

func TestParseLife(t *testing.T) {
	for in, wanted := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute} {
		if got, err := parseLife(in); err != nil || got != wanted {
			t.Errorf("%s is %v, %v; want %v", in, got, err, wanted)
		}
	}
	for _, in := range []string{"", "d", "0d", "-1d", "1.5d", "0s", "1y"} {
		if got, err := parseLife(in); err == nil {
			t.Errorf("%q is %v, want an error", in, got)
		}
	}
}
