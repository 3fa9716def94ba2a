package admin

import (
	"context"
	"net/http"

	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Remover removes accounts and clients that configuration does not name.
type Remover interface {
	// Begin orders the removal of an account, or of the whole client when that
	// is empty; an account whose client is not given is looked for. Action,
	// subject and outcome of the act are its own.
	Begin(ctx context.Context, client model.ClientID, account model.AccountID, act store.Act) (store.Removal, error)
}

// Removal is the removal of an account or of a client, and its receipt.
type Removal struct {
	ID        string          `json:"id" doc:"client/<id> or account/<id>."`
	ClientID  model.ClientID  `json:"client_id" doc:"Whose it is, or who it is."`
	AccountID model.AccountID `json:"account_id,omitempty" doc:"The account; absent for a whole client."`
	Step      string          `json:"step" doc:"waiting, until what was under way has ended; then removing; then done."`
	By        string          `json:"by" doc:"The id of the token that ordered it."`
	AskedAt   model.Time      `json:"asked_at" doc:"When."`
	DoneAt    *model.Time     `json:"done_at,omitempty" doc:"When nothing was left; absent until then."`
	Removed   map[string]int  `json:"removed" doc:"How much went. A crash may leave some uncounted."`
	Undrained map[string]int  `json:"undrained,omitempty" doc:"By connector: requests that wait for it in a journal that accounts share. Nobody can tell yet whose they are; they are gone after 72 h at the latest, and what is for the account is refused when they are read."`
}

var errNoRemover = model.Errorf(model.Unavailable, "order removal", "This hub removes nothing.")

func removalView(m store.Removal) Removal {
	n := m.Removed
	v := Removal{
		ID: m.Subject(), ClientID: m.Client, AccountID: m.Account, Step: string(m.Step), By: m.By, AskedAt: model.At(m.Asked), DoneAt: timeOf(m.Done),
		Removed: map[string]int{
			"accounts": n.Accounts, "contacts": n.Contacts, "addresses": n.Addresses, "conversations": n.Conversations, "events": n.Events,
			"messages": n.Messages, "provider_ids": n.ProviderIDs, "dead_letters": n.DeadLetters, "attachments": n.Attachments,
			"journaled": n.Journaled, "tokens": n.Tokens,
		},
	}
	for plugin, n := range m.Journals {
		if v.Undrained == nil {
			v.Undrained = map[string]int{}
		}
		v.Undrained[string(plugin)] = n
	}
	return v
}

func (a *Admin) removeAccount(w http.ResponseWriter, r *http.Request) {
	a.remove(w, r, model.ClientID(r.URL.Query().Get("client")), model.AccountID(r.PathValue("id")))
}

func (a *Admin) removeClient(w http.ResponseWriter, r *http.Request) {
	a.remove(w, r, model.ClientID(r.PathValue("id")), "")
}

func (a *Admin) remove(w http.ResponseWriter, r *http.Request, client model.ClientID, account model.AccountID) {
	if a.Remover == nil {
		web.Fail(w, r, errNoRemover)
		return
	}
	m, err := a.Remover.Begin(r.Context(), client, account, by(r).Did("", ""))
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/admin/v1/removals")
	web.JSON(w, r, http.StatusAccepted, removalView(m))
}

func (a *Admin) listRemovals(w http.ResponseWriter, r *http.Request) {
	found, err := a.Store.Removals(r.Context())
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	var all []Removal
	for _, m := range found {
		all = append(all, removalView(m))
	}
	list, err := pageOf(r, all, func(m Removal) string { return string(m.ClientID) + "/" + string(m.AccountID) })
	answer(w, r, list, err)
}

func (a *Admin) removalRoutes() []route {
	begun := spec.Answer{Status: http.StatusAccepted, Description: "It is ordered, and is carried out whatever crashes.", Type: Removal{}}
	none := spec.Problem(503, "This hub removes nothing.")
	return []route{
		{spec.Operation{
			ID: "removeAccount", Method: "DELETE", Path: "/admin/v1/accounts/{id}", Summary: "Remove what an account has left.",
			Description: "The account must have left the configuration. Its conversations, files, dead letters and waiting requests go, and the contacts that no other account of the client knows, with their addresses and keys. The audit log keeps its entries.",
			Params:      []spec.Param{spec.ID("id", "The account's id."), {In: spec.Query, Name: "client", Description: "Whose account it was. Needed when several clients have had one of this id."}},
			Answers:     []spec.Answer{begun, spec.Problem(404, "The configuration never named such an account, or it was removed."), spec.Problem(409, "The configuration names it."), spec.Problem(422, "Several clients have had an account of this id."), none},
		}, nil, a.removeAccount},
		{spec.Operation{
			ID: "removeClient", Method: "DELETE", Path: "/admin/v1/clients/{id}", Summary: "Remove everything of a client.",
			Description: "The client must have left the configuration. Everything of its accounts goes, then its tokens, its feed and its keys. Its bucket, where it has one, is removed by `hub client remove --config`, under another role.",
			Params:      []spec.Param{spec.ID("id", "The client's id.")},
			Answers:     []spec.Answer{begun, spec.Problem(404, "The configuration never named such a client, or it was removed."), spec.Problem(409, "The configuration names it."), none},
		}, nil, a.removeClient},
		{spec.Operation{
			ID: "listRemovals", Method: "GET", Path: "/admin/v1/removals", Summary: "List removals of accounts and clients.",
			Description: "Those under way, and the receipts of those that are done, which are kept as long as the audit log.",
			Params:      pageParams, Answers: []spec.Answer{spec.OK("Removals, by client and account.", web.List[Removal]{})},
		}, nil, a.listRemovals},
	}
}
