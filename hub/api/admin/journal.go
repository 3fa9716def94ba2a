package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
)

// JournalEntry is a raw request that waits for a connector, seen from outside.
type JournalEntry struct {
	ID         string          `json:"id" doc:"Its place in the journal."`
	Plugin     model.PluginID  `json:"plugin" doc:"The connector that it waits for."`
	AccountID  model.AccountID `json:"account_id,omitempty" doc:"The account that it is for; absent for a route of the whole connector."`
	Mount      string          `json:"mount" doc:"Where it came in: in_account, in_app or chat."`
	ReceivedAt model.Time      `json:"received_at" doc:"When it came in."`
	ExpiresAt  model.Time      `json:"expires_at" doc:"When it is given up."`
	Bytes      int64           `json:"bytes" doc:"The size of its body."`
}

// ReplayJournal is the body of POST /admin/v1/journal/replay.
type ReplayJournal struct {
	Plugin model.PluginID `json:"plugin" doc:"The connector whose journal is handed over."`
}

// Replayed answers POST /admin/v1/journal/replay.
type Replayed struct {
	Plugin   model.PluginID `json:"plugin" doc:"The connector."`
	Replayed int            `json:"replayed" doc:"How many the connector took."`
	Waiting  int            `json:"waiting" doc:"How many still wait."`
}

var errNoJournal = model.Errorf(model.Unavailable, "read journal", "This hub keeps no journal.")

// journalPlugin reads the parameter that narrows a list to one connector.
func (a *Admin) journalPlugin(r *http.Request) (model.PluginID, error) {
	if a.Journal == nil {
		return "", errNoJournal
	}
	id := model.PluginID(r.URL.Query().Get("plugin"))
	if id == "" {
		return "", nil
	}
	_, err := a.pluginSetting(id)
	return id, err
}

func (a *Admin) listJournal(w http.ResponseWriter, r *http.Request) {
	plugin, err := a.journalPlugin(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	limit, err := web.Limit(r, defaultPage, maxPage)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	entries, next, err := a.Journal.Entries(r.Context(), plugin, r.URL.Query().Get("cursor"), limit)
	answer(w, r, web.ListOf(entries, next), err)
}

func (a *Admin) replayJournal(w http.ResponseWriter, r *http.Request) {
	var req ReplayJournal
	if _, err := web.ReadJSON(w, r, 4<<10, &req); err != nil {
		web.Fail(w, r, err)
		return
	}
	if a.Journal == nil {
		web.Fail(w, r, errNoJournal)
		return
	}
	if req.Plugin == "" {
		web.Fail(w, r, web.Invalid("The plugin is missing.", model.Fault{Field: "plugin", Detail: "name the connector whose journal is replayed"}))
		return
	}
	if _, err := a.pluginSetting(req.Plugin); err != nil {
		web.Fail(w, r, err)
		return
	}
	out := Replayed{Plugin: req.Plugin}
	err := a.around(r, audit.JournalReplay, "plugin/"+string(req.Plugin), func(ctx context.Context) (err error) {
		out.Replayed, out.Waiting, err = a.Journal.Replay(ctx, req.Plugin)
		return err
	})
	answer(w, r, out, err)
}

func exportSubject(plugin model.PluginID) string {
	if plugin == "" {
		return "journal"
	}
	return "plugin/" + string(plugin)
}

// exportPatience is how long one write of an export may take: a reader that is
// slower is closed.
const exportPatience = 10 * time.Second

// exportJournal writes all entries, one JSON object a line. The first page is
// read before the answer begins, so that a fault can still be said; a later
// one cuts the answer off, which its reader sees.
func (a *Admin) exportJournal(w http.ResponseWriter, r *http.Request) {
	plugin, err := a.journalPlugin(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	page, cursor, err := a.Journal.Entries(r.Context(), plugin, "", maxPage)
	if err == nil {
		err = a.Store.Audit(r.Context(), by(r).Did(audit.JournalExport, exportSubject(plugin)))
	}
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	out := json.NewEncoder(w)
	for {
		if err := rc.SetWriteDeadline(time.Now().Add(exportPatience)); err != nil {
			panic(http.ErrAbortHandler)
		}
		for _, e := range page {
			if err := out.Encode(e); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if cursor == "" {
			return
		}
		if page, cursor, err = a.Journal.Entries(r.Context(), plugin, cursor, maxPage); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
