package admin

import (
	"net/http"
	"slices"

	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

var errNoClient = model.Errorf(model.NotFound, "find client", "There is no such client.")

// onlyClient is the client of the configuration that a list is narrowed to;
// empty when it is not.
func (a *Admin) onlyClient(r *http.Request) (model.ClientID, error) {
	id := model.ClientID(r.URL.Query().Get("client"))
	if _, ok := a.Accounts.Client(id); id != "" && !ok {
		return "", errNoClient
	}
	return id, nil
}

// keptClients are the clients whose rows a request is about, by id: all, or the
// one that it names. One that the configuration has dropped still has its rows
// until somebody orders its removal.
func (a *Admin) keptClients(r *http.Request) ([]model.ClientID, error) {
	known, err := a.Store.Known(r.Context())
	if err != nil {
		return nil, err
	}
	removals, err := a.Store.Removals(r.Context())
	if err != nil {
		return nil, err
	}
	var ids []model.ClientID
	for _, c := range a.Accounts.Clients() {
		ids = append(ids, c.ID)
	}
	for _, c := range known.Clients {
		going := slices.ContainsFunc(removals, func(m store.Removal) bool {
			return m.Client == c.ID && m.Account == "" && m.Step != store.RemovalDone
		})
		if !going && !slices.Contains(ids, c.ID) {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	only := model.ClientID(r.URL.Query().Get("client"))
	if only == "" {
		return ids, nil
	}
	if !slices.Contains(ids, only) {
		return nil, errNoClient
	}
	return []model.ClientID{only}, nil
}

// The parameter that narrows a list to one client, and its answer.
var (
	clientParam     = spec.Param{In: spec.Query, Name: "client", Description: "Only this client's."}
	keptClientParam = spec.Param{In: spec.Query, Name: "client", Description: "Only this client's. It may have left the configuration, and not be removed."}
	noClient        = spec.Problem(404, "There is no such client.")
)
