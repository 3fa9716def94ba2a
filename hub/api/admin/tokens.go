package admin

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Token is a token without its secret, which nobody can show.
type Token struct {
	ID         string         `json:"id" doc:"The token's id, which is no secret."`
	Role       string         `json:"role" doc:"What it may do."`
	ClientID   model.ClientID `json:"client_id,omitempty" doc:"The client that it belongs to."`
	Consumer   string         `json:"consumer,omitempty" doc:"The name that its acknowledgements are kept under."`
	Configured bool           `json:"configured" doc:"It stands in the configuration."`
	CreatedAt  *model.Time    `json:"created_at,omitempty" doc:"When it was made; absent when it is configured."`
	ExpiresAt  *model.Time    `json:"expires_at,omitempty" doc:"When it ends; absent when it does not."`
	RevokedAt  *model.Time    `json:"revoked_at,omitempty" doc:"When it was revoked; absent when it was not."`
}

// NewToken is the body of POST /admin/v1/tokens.
type NewToken struct {
	Role         string         `json:"role" doc:"configurator, operator, privacy, key-admin, auditor or client."`
	ClientID     model.ClientID `json:"client_id,omitempty" doc:"With client: the client that it belongs to."`
	Consumer     string         `json:"consumer,omitempty" doc:"The name that its acknowledgements are kept under; tokens that share one read as one. Without it the token's id."`
	ExpiresAfter string         `json:"expires_after,omitempty" doc:"When it ends, such as 90d or 12h. Without it never."`
}

// CreatedToken answers POST /admin/v1/tokens.
type CreatedToken struct {
	Token
	Secret string `json:"token" doc:"The whole token. It is shown this once."`
}

func viewOfRow(t store.Token) Token {
	return Token{
		ID: t.ID, Role: t.Role, ClientID: t.Client, Consumer: t.Consumer,
		CreatedAt: timeOf(t.Created), ExpiresAt: timeOf(t.Expires), RevokedAt: timeOf(t.Revoked),
	}
}

func (t Token) etag() string { return etagOf("token", t.ID, t.RevokedAt != nil) }

// allTokens lists configured and created tokens by id. A configured one has a
// row only once it was revoked.
func (a *Admin) allTokens(r *http.Request) ([]Token, error) {
	rows, err := a.Store.Tokens(r.Context())
	if err != nil {
		return nil, err
	}
	var all []Token
	configured := a.Tokens.Configured()
	for _, p := range configured {
		all = append(all, Token{ID: p.Token, Role: string(p.Role), ClientID: p.Client, Consumer: p.Consumer, Configured: true})
	}
	for _, row := range rows {
		if i := slices.IndexFunc(all, func(t Token) bool { return t.ID == row.ID }); i >= 0 {
			all[i].RevokedAt = timeOf(row.Revoked)
			continue
		}
		if len(row.Hash) > 0 { // else a configured one that is gone
			all = append(all, viewOfRow(row))
		}
	}
	slices.SortFunc(all, func(x, y Token) int { return strings.Compare(x.ID, y.ID) })
	return all, nil
}

func (a *Admin) listTokens(w http.ResponseWriter, r *http.Request) {
	all, err := a.allTokens(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	list, err := pageOf(r, all, func(t Token) string { return t.ID })
	answer(w, r, list, err)
}

func (a *Admin) findToken(r *http.Request) (Token, error) {
	all, err := a.allTokens(r)
	if err != nil {
		return Token{}, err
	}
	for _, t := range all {
		if t.ID == r.PathValue("id") {
			return t, nil
		}
	}
	return Token{}, model.Errorf(model.NotFound, "find token", "There is no such token.")
}

func (a *Admin) getToken(w http.ResponseWriter, r *http.Request) {
	t, err := a.findToken(r)
	if err == nil {
		w.Header().Set("ETag", t.etag())
	}
	answer(w, r, t, err)
}

func (a *Admin) createToken(w http.ResponseWriter, r *http.Request) {
	var req NewToken
	if _, err := web.ReadJSON(w, r, 4<<10, &req); err != nil {
		web.Fail(w, r, err)
		return
	}
	expires, err := a.checkNewToken(req)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	id, secret, hash := access.Mint()
	row := store.Token{
		ID: id, Hash: hash, Role: req.Role, Client: req.ClientID, Consumer: req.Consumer,
		Created: a.Now(), Expires: expires,
	}
	if row.Consumer == "" {
		row.Consumer = id
	}
	if err := a.Store.PutToken(r.Context(), row, by(r).Did(audit.TokenCreate, "token/"+id)); err != nil {
		web.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/admin/v1/tokens/"+id)
	web.JSON(w, r, http.StatusCreated, CreatedToken{Token: viewOfRow(row), Secret: secret})
}

const giveRole = "give configurator, operator, privacy, key-admin, auditor or client"

// checkNewToken names every fault of the request and returns when the token
// ends.
func (a *Admin) checkNewToken(req NewToken) (expires time.Time, err error) {
	var faults []model.Fault
	fault := func(field, detail string) { faults = append(faults, model.Fault{Field: field, Detail: detail}) }
	role := access.Role(req.Role)
	switch _, known := a.Accounts.Client(req.ClientID); {
	case role == access.Agent:
		fault("role", "agent is reserved and does not exist yet; "+giveRole)
	case !role.Valid():
		fault("role", giveRole)
	case role.ForClient() && !known:
		fault("client_id", "name a client that is configured: a token of this role belongs to one")
	case !role.ForClient() && req.ClientID != "":
		fault("client_id", "leave it out: a token of this role belongs to no client")
	}
	if req.Consumer != "" && !model.ValidConfiguredID(req.Consumer) {
		fault("consumer", "give 1 to 40 of a-z, 0-9 and -")
	}
	if req.ExpiresAfter != "" {
		d, err := parseLife(req.ExpiresAfter)
		if err != nil {
			fault("expires_after", err.Error())
		}
		expires = a.Now().Add(d)
	}
	if faults != nil {
		return time.Time{}, web.Invalid("The token cannot be made.", faults...)
	}
	return expires, nil
}

// maxLife bounds a token's life, so that a slip of the hand is noticed.
const maxLife = 10 * 365 * 24 * time.Hour

// parseLife reads a duration such as 12h, 90d or 1d12h.
func parseLife(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil || d <= 0 || d.Std() > maxLife {
		return 0, errors.New("give a duration such as 90d or 12h, of at most ten years")
	}
	return d.Std(), nil
}

// revokeToken ends a token for good. A configured one gets a row that says so,
// which holds against the configuration.
func (a *Admin) revokeToken(w http.ResponseWriter, r *http.Request) {
	t, err := a.findToken(r)
	if err == nil {
		err = ifMatch(r, t.etag())
	}
	if err == nil && t.RevokedAt == nil {
		err = a.revoke(r, t)
	}
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *Admin) revoke(r *http.Request, t Token) error {
	row, err := a.Store.Token(r.Context(), t.ID)
	if model.Is(err, model.NotFound) {
		row, err = store.Token{ID: t.ID, Role: t.Role, Client: t.ClientID}, nil
	}
	if err != nil {
		return err
	}
	row.Revoked = a.Now()
	if err := a.Store.PutToken(r.Context(), row, by(r).Did(audit.TokenRevoke, "token/"+t.ID)); err != nil {
		return err
	}
	a.Tokens.Forget(t.ID)
	return nil
}
