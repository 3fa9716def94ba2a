package admin

import (
	"net/http"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
)

// route is an operation as it is documented and as it is served: one cannot be
// there without the other.
type route struct {
	spec.Operation
	roles []access.Role // none: any token
	serve http.HandlerFunc
}

const about = "What operators use, on the admin listener. Every call carries `Authorization: Bearer` and a token of one of the roles that it names.\n\nWhat stands in a configuration file is changed there and reloaded. Two things can be said against a file, and are kept until they are lifted: a plugin or account that it switches on can be switched off, and a token can be revoked. Every change is recorded in the audit log, with it or not at all.\n\nActs name the state that they lead to, so that repeating one is harmless. What can be changed has an `ETag`; an act with `If-Match` is refused with 412 when it was meant for another state."

// Describe is the API's description.
func (a *Admin) Describe() spec.API {
	api := spec.API{Title: "Channelhub admin API", Version: a.Version, Base: "/admin/v1", Description: about}
	for _, r := range a.routes() {
		op := r.Operation
		for _, role := range r.roles {
			op.Roles = append(op.Roles, string(role))
		}
		api.Operations = append(api.Operations, op)
	}
	return api
}

func (a *Admin) routes() []route {
	var all []route
	for _, group := range []struct {
		tag    string
		roles  []access.Role
		routes []route
	}{
		{"Plugins", []access.Role{access.Operator}, a.pluginRoutes()},
		{"Clients and accounts", []access.Role{access.Configurator}, a.accountRoutes()},
		{"Removal", []access.Role{access.Configurator}, a.removalRoutes()},
		{"Erasure", []access.Role{access.Privacy}, a.erasureRoutes()},
		{"Tokens", []access.Role{access.Configurator}, a.tokenRoutes()},
		{"Configuration", []access.Role{access.Configurator}, a.configRoutes()},
		{"Journal", []access.Role{access.Operator}, a.journalRoutes()},
		{"Dead letters", []access.Role{access.Operator}, a.letterRoutes()},
		{"Retention", []access.Role{access.Operator}, a.retentionRoutes()},
		{"Ledger", []access.Role{access.Operator}, a.ledgerRoutes()},
		{"Messages", []access.Role{access.Operator}, a.messageRoutes()},
		{"Audit", []access.Role{access.Auditor}, a.auditRoutes()},
		{"The hub", nil, a.hubRoutes()},
	} {
		for _, r := range group.routes {
			r.Tag, r.roles = group.tag, group.roles
			all = append(all, r)
		}
	}
	return all
}

// Parameters and answers that many routes share.
var (
	pageParams = []spec.Param{spec.Limit("1 to 500, 100 without it."), spec.Cursor()}
	ifMatchDoc = spec.Param{In: spec.Header, Name: "If-Match", Description: "The `ETag` of the state that the act is meant for."}
	etagDoc    = []spec.HeaderDoc{{Name: "ETag", Description: "Names the state, for `If-Match`."}}
)

func tagged(description string, body any) spec.Answer {
	return spec.Answer{Status: http.StatusOK, Description: description, Type: body, Headers: etagDoc}
}

func (a *Admin) pluginRoutes() []route {
	id := spec.ID("id", "The plugin's id.")
	missing := spec.Problem(404, "There is no such plugin in the configuration.")
	off := spec.Problem(409, "The plugin is switched off, or configuration has it so; then file and line are named.")
	stale := spec.Problem(412, "It has changed since it was read.")
	one := tagged("The plugin.", Plugin{})
	return []route{
		{spec.Operation{
			ID: "listPlugins", Method: "GET", Path: "/admin/v1/plugins", Summary: "List the configured plugins.",
			Params: pageParams, Answers: []spec.Answer{spec.OK("Plugins, by id.", web.List[Plugin]{})},
		}, nil, a.listPlugins},
		{spec.Operation{
			ID: "getPlugin", Method: "GET", Path: "/admin/v1/plugins/{id}", Summary: "Look up a plugin.",
			Params: []spec.Param{id}, Answers: []spec.Answer{one, missing},
		}, nil, a.getPlugin},
		{spec.Operation{
			ID: "enablePlugin", Method: "POST", Path: "/admin/v1/plugins/{id}/enable", Summary: "Lift an earlier disable.",
			Params: []spec.Param{id, ifMatchDoc}, Answers: []spec.Answer{one, missing, off, stale},
		}, nil, a.switchPlugin(true, audit.PluginEnable)},
		{spec.Operation{
			ID: "disablePlugin", Method: "POST", Path: "/admin/v1/plugins/{id}/disable", Summary: "Drain a plugin and keep it away.",
			Description: "It stays away until it is enabled, whatever is reloaded. Its accounts wait.",
			Params:      []spec.Param{id, ifMatchDoc}, Answers: []spec.Answer{one, missing, off, stale},
		}, nil, a.switchPlugin(false, audit.PluginDisable)},
		{spec.Operation{
			ID: "restartPlugin", Method: "POST", Path: "/admin/v1/plugins/{id}/restart", Summary: "Swap a fresh process in.",
			Description: "The old process is drained once the new one serves; nothing is lost or reordered. When the new one does not come up, the old one stays.",
			Params:      []spec.Param{id}, Answers: []spec.Answer{one, missing, off, spec.Problem(503, "The new process did not come up.")},
		}, nil, a.operatePlugin(audit.PluginRestart, a.Plugins.Restart)},
		{spec.Operation{
			ID: "releasePlugin", Method: "POST", Path: "/admin/v1/plugins/{id}/release", Summary: "End a quarantine or a back-off.",
			Description: "The plugin is started at once and its crashes are forgotten. A plugin that runs is left alone.",
			Params:      []spec.Param{id}, Answers: []spec.Answer{one, missing, off},
		}, nil, a.operatePlugin(audit.PluginRelease, a.Plugins.Release)},
	}
}

func (a *Admin) accountRoutes() []route {
	id := spec.ID("id", "The account's id.")
	noAccount := spec.Problem(404, "There is no such account.")
	off := spec.Problem(409, "Configuration has the account switched off; file and line are named.")
	stale := spec.Problem(412, "It has changed since it was read.")
	one := tagged("The account.", Account{})
	return []route{
		{spec.Operation{
			ID: "listClients", Method: "GET", Path: "/admin/v1/clients", Summary: "List the clients.",
			Params: pageParams, Answers: []spec.Answer{spec.OK("Clients, by id.", web.List[Client]{})},
		}, nil, a.listClients},
		{spec.Operation{
			ID: "getClient", Method: "GET", Path: "/admin/v1/clients/{id}", Summary: "Look up a client.",
			Params: []spec.Param{spec.ID("id", "The client's id.")}, Answers: []spec.Answer{spec.OK("The client.", Client{}), noClient},
		}, nil, a.getClient},
		{spec.Operation{
			ID: "listAccounts", Method: "GET", Path: "/admin/v1/accounts", Summary: "List accounts.",
			Params:  append([]spec.Param{clientParam}, pageParams...),
			Answers: []spec.Answer{spec.OK("Accounts, by id.", web.List[Account]{}), noClient},
		}, nil, a.listAccounts},
		{spec.Operation{
			ID: "getAccount", Method: "GET", Path: "/admin/v1/accounts/{id}", Summary: "Look up an account.",
			Params: []spec.Param{id}, Answers: []spec.Answer{one, noAccount},
		}, nil, a.getAccount},
		{spec.Operation{
			ID: "pauseAccount", Method: "POST", Path: "/admin/v1/accounts/{id}/pause", Summary: "Stop an account.",
			Description: "It neither receives nor sends until it is resumed, whatever is reloaded. Messages to send wait.",
			Params:      []spec.Param{id, ifMatchDoc}, Answers: []spec.Answer{one, noAccount, off, stale},
		}, nil, a.switchAccount(false, audit.AccountPause)},
		{spec.Operation{
			ID: "resumeAccount", Method: "POST", Path: "/admin/v1/accounts/{id}/resume", Summary: "Lift an earlier pause.",
			Params: []spec.Param{id, ifMatchDoc}, Answers: []spec.Answer{one, noAccount, off, stale},
		}, nil, a.switchAccount(true, audit.AccountResume)},
		{spec.Operation{
			ID: "checkAccount", Method: "POST", Path: "/admin/v1/accounts/{id}/check", Summary: "Ask connector and provider whether an account works.",
			Description: "It changes nothing.",
			Params:      []spec.Param{id}, Answers: []spec.Answer{spec.OK("What was found.", AccountCheck{}), noAccount, spec.Problem(503, "The connector does not run.")},
		}, nil, a.checkAccount},
	}
}

func (a *Admin) tokenRoutes() []route {
	id := spec.ID("id", "The token's id.")
	missing := spec.Problem(404, "There is no such token.")
	return []route{
		{spec.Operation{
			ID: "listTokens", Method: "GET", Path: "/admin/v1/tokens", Summary: "List tokens, configured and made.",
			Params: pageParams, Answers: []spec.Answer{spec.OK("Tokens, by id.", web.List[Token]{})},
		}, nil, a.listTokens},
		{spec.Operation{
			ID: "getToken", Method: "GET", Path: "/admin/v1/tokens/{id}", Summary: "Look up a token.",
			Params: []spec.Param{id}, Answers: []spec.Answer{tagged("The token.", Token{}), missing},
		}, nil, a.getToken},
		{spec.Operation{
			ID: "createToken", Method: "POST", Path: "/admin/v1/tokens", Summary: "Make a token.",
			Description: "The answer is the only place where the token is ever shown: the hub keeps its SHA-256.",
			Body:        &spec.Body{Type: NewToken{}},
			Answers: []spec.Answer{
				{
					Status: 201, Description: "The token.", Type: CreatedToken{},
					Headers: []spec.HeaderDoc{{Name: "Location", Description: "Where the token is looked up."}},
				},
				spec.Problem(422, "The role, the client or another field is wrong."),
			},
		}, nil, a.createToken},
		{spec.Operation{
			ID: "revokeToken", Method: "DELETE", Path: "/admin/v1/tokens/{id}", Summary: "Revoke a token for good.",
			Description: "It is refused within 5 seconds, in every hub. A token that stands in the configuration stays revoked.",
			Params:      []spec.Param{id, ifMatchDoc},
			Answers:     []spec.Answer{spec.NoContent("The token is revoked."), missing, spec.Problem(412, "It has changed since it was read.")},
		}, nil, a.revokeToken},
	}
}

func (a *Admin) configRoutes() []route {
	faults := spec.Problem(422, "The configuration has faults; each is named with its place. Nothing has changed.")
	return []route{
		{spec.Operation{
			ID: "getConfig", Method: "GET", Path: "/admin/v1/config", Summary: "The configuration in force.",
			Description: "With the defaults; secrets are redacted, and a value that holds a reference is shown with the reference. What waits for a restart of the hub is shown as it is until then.",
			Answers:     []spec.Answer{spec.OK("The configuration.", map[string]any{})},
		}, nil, a.getConfig},
		{spec.Operation{
			ID: "diffConfig", Method: "GET", Path: "/admin/v1/config/diff", Summary: "What a reload would change.",
			Answers: []spec.Answer{spec.OK("The values that differ, what they affect, and which of them count only after a restart of the hub.", map[string]any{}), faults},
		}, nil, a.diffConfig},
		{spec.Operation{
			ID: "reloadConfig", Method: "POST", Path: "/admin/v1/config/reload", Summary: "Put the configuration files in force.",
			Description: "All or nothing. Plugins that are new or changed are started and asked about their accounts before anything changes; what has not changed goes on undisturbed. Once it begins to change, it is carried through without its caller as well.",
			Answers: []spec.Answer{
				spec.OK("What has changed, and under `restart` what waits for a restart of the hub.", map[string]any{}), faults,
				spec.Problem(503, "The configuration is in force, but not for every plugin: each is named, and what ran before goes on. The next reload tries these again."),
			},
		}, nil, web.Unhurried(a.reloadConfig)},
	}
}

func (a *Admin) journalRoutes() []route {
	plugin := spec.Param{In: spec.Query, Name: "plugin", Description: "Only what waits for this plugin."}
	missing := spec.Problem(404, "There is no such plugin in the configuration.")
	none := spec.Problem(503, "This hub keeps no journal.")
	return []route{
		{spec.Operation{
			ID: "listJournal", Method: "GET", Path: "/admin/v1/journal", Summary: "List the raw requests that wait for a plugin.",
			Description: "Seen from outside: what they say is sealed.",
			Params:      append([]spec.Param{plugin}, pageParams...),
			Answers:     []spec.Answer{spec.OK("Entries, the oldest first within a plugin.", web.List[JournalEntry]{}), missing, none},
		}, nil, a.listJournal},
		{spec.Operation{
			ID: "exportJournal", Method: "GET", Path: "/admin/v1/journal/export", Summary: "All that the list shows, as one file.",
			Params:  []spec.Param{plugin},
			Answers: []spec.Answer{{Status: 200, Media: "application/jsonl", Description: "One entry a line."}, missing, none},
		}, nil, a.exportJournal},
		{spec.Operation{
			ID: "replayJournal", Method: "POST", Path: "/admin/v1/journal/replay", Summary: "Hand what waits over now.",
			Description: "The hub does so by itself once the plugin is back. What the plugin took already is known by its dedupe key and counts once.",
			Body:        &spec.Body{Type: ReplayJournal{}},
			Answers:     []spec.Answer{spec.OK("What became of it.", Replayed{}), missing, none},
		}, nil, web.Unhurried(a.replayJournal)},
	}
}

func (a *Admin) messageRoutes() []route {
	return []route{{spec.Operation{
		ID: "traceMessage", Method: "GET", Path: "/admin/v1/messages/{id}/trace", Summary: "The way of a message through the hub.",
		Description: "States, attempts, times and codes; nothing of what it says or of who it is for.",
		Params: []spec.Param{
			spec.ID("id", "The message's id."),
			{In: spec.Query, Name: "client", Description: "The client whose message it is. Without it every client is asked."},
		},
		Answers: []spec.Answer{spec.OK("The trace.", Trace{}), spec.Problem(404, "There is no such message, or it is past its retention.")},
	}, nil, a.traceMessage}}
}

func (a *Admin) auditRoutes() []route {
	query := func(name, description string) spec.Param {
		return spec.Param{In: spec.Query, Name: name, Description: description}
	}
	return []route{
		{spec.Operation{
			ID: "listAudit", Method: "GET", Path: "/admin/v1/audit", Summary: "List what was done to the hub.",
			Description: "A page may hold fewer entries than asked for, or none, while there is a `next_cursor`: a filter looks at many.",
			Params: append([]spec.Param{
				query("order", "`newest` first, as without it, or `oldest`."), query("since", "Not before this time."), query("until", "Before this time."),
				query("actor", "Only this token's acts."), query("action", "Only this action."),
			}, pageParams...),
			Answers: []spec.Answer{spec.OK("Entries.", web.List[AuditEntry]{}), spec.Problem(422, "A filter or the cursor is wrong.")},
		}, nil, a.listAudit},
		{spec.Operation{
			ID: "verifyAudit", Method: "GET", Path: "/admin/v1/audit/verify", Summary: "Read the whole audit log and name what does not hold.",
			Description: "Every row is held against the one before it, and the newest against the signed checkpoint. That log and checkpoint were set back together cannot be seen from the table alone: keep `head`, `hash` and `public_key` elsewhere.",
			Answers:     []spec.Answer{spec.OK("What was found.", AuditVerdict{})},
		}, nil, web.Unhurried(a.verifyAudit)},
		{spec.Operation{
			ID: "exportAudit", Method: "GET", Path: "/admin/v1/audit/export", Summary: "The whole audit log as one file.",
			Description: "JSON, one object a line: first the signed checkpoint, then every row with the bytes that its hash is of. `hub audit verify --file` checks it without the hub. An answer that is cut off is no whole export; verification says so.",
			Answers:     []spec.Answer{{Status: 200, Media: "application/jsonl", Description: "The checkpoint and one row a line."}},
		}, nil, a.exportAudit},
	}
}

func (a *Admin) hubRoutes() []route {
	return []route{
		{spec.Operation{
			ID: "getHealth", Method: "GET", Path: "/admin/v1/health", Summary: "How the hub fares.",
			Answers: []spec.Answer{spec.OK("Its health.", Health{})},
		}, nil, a.getHealth},
		{spec.Operation{
			ID: "getStats", Method: "GET", Path: "/admin/v1/stats", Summary: "What the hub counts.",
			Answers: []spec.Answer{spec.OK("Counters and gauges.", Stats{})},
		}, nil, a.getStats},
		{spec.Operation{
			ID: "getOpenAPI", Method: "GET", Path: "/admin/v1/openapi.yaml", Summary: "This document; also as `/admin/v1/openapi.json`.",
			Answers: []spec.Answer{{Status: 200, Media: "application/yaml", Description: "OpenAPI 3.1."}},
		}, nil, a.document},
		{spec.Operation{
			ID: "getOpenAPIJSON", Method: "GET", Path: "/admin/v1/openapi.json", Summary: "This document as JSON.",
			Answers: []spec.Answer{{Status: 200, Media: "application/json", Description: "OpenAPI 3.1."}},
		}, nil, a.document},
	}
}

func (a *Admin) document(w http.ResponseWriter, r *http.Request) { a.spec.Document(w, r) }
