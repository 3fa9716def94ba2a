package admin

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Letters does with dead letters what operators ask for. What cannot be done
// as things are is model.Conflicting.
type Letters interface {
	Replay(ctx context.Context, client *store.Client, d store.DeadLetter) error
	Discard(ctx context.Context, client *store.Client, d store.DeadLetter) error
}

// DeadLetter is something that the hub gave up on, seen from outside.
type DeadLetter struct {
	ID        string          `json:"id" doc:"Its id."`
	ClientID  model.ClientID  `json:"client_id" doc:"The client whose it is."`
	AccountID model.AccountID `json:"account_id" doc:"The account that it was for."`
	Direction model.Direction `json:"direction" doc:"Seen from the hub."`
	MessageID model.MessageID `json:"message_id,omitempty" doc:"With direction outbound: the message."`
	Reason    string          `json:"reason" doc:"Why the hub gave up: a code."`
	Attempts  int             `json:"attempts" doc:"How often it was tried."`
	At        model.Time      `json:"at" doc:"When the hub gave up."`
	ExpiresAt model.Time      `json:"expires_at" doc:"When it goes, with its content."`
	State     string          `json:"state" doc:"waiting, replaying, replayed or discarded."`
	Replay    string          `json:"not_replayable,omitempty" doc:"Why it cannot be replayed; absent when it can."`
}

const letterPrefix = "dlt_"

var errNoLetter = model.Errorf(model.NotFound, "find dead letter", "There is no such dead letter, or it is past its retention.")

func letterView(client model.ClientID, d store.DeadLetter) DeadLetter {
	v := DeadLetter{
		ID: letterPrefix + hex.EncodeToString(d.UUID[:]), ClientID: client, AccountID: d.Account, Direction: model.Inbound,
		Reason: d.Reason, Attempts: d.Attempts, At: model.At(d.At), ExpiresAt: model.At(d.Expires),
		State: string(d.State), Replay: whyNot(d),
	}
	if d.State == store.LetterWaiting {
		v.State = "waiting"
	}
	if d.Conversation != "" {
		v.Direction = model.Outbound
		v.MessageID = model.MessagePlace{Conversation: d.Conversation, Direction: model.Outbound, Key: d.UUID}.ID()
	}
	return v
}

// whyNot says why a letter cannot be replayed; empty when it can.
func whyNot(d store.DeadLetter) string {
	switch {
	case d.State == store.LetterReplayed:
		return "It was replayed already."
	case d.State == store.LetterDiscarded:
		return "It was discarded."
	case d.Conversation == "" && d.Parts == 0:
		return "Nothing of it was kept: it broke a limit of the format, so that it could never be taken. The provider has it."
	}
	return ""
}

// listLetters shows letters by client and, within one, by age. Its cursor is
// the client and the last letter shown.
func (a *Admin) listLetters(w http.ResponseWriter, r *http.Request) {
	limit, wrong := web.Limit(r, defaultPage, maxPage)
	account := model.AccountID(r.URL.Query().Get("account"))
	from, at, _ := strings.Cut(r.URL.Query().Get("cursor"), "/")
	after, err := letterKey(at)
	if from != "" && err != nil {
		wrong = web.AllFaults(wrong, web.Invalid("The cursor is none of this list.", web.InQuery("cursor", "give next_cursor unchanged")))
	}
	if wrong != nil {
		web.Fail(w, r, wrong)
		return
	}
	clients, err := a.keptClients(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	var out []DeadLetter
	next := ""
	for _, id := range clients {
		if string(id) < from {
			continue
		}
		if string(id) > from {
			after = model.Random16{}
		}
		client, err := a.Store.Client(r.Context(), id)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		for next == "" {
			page, err := client.DeadLetters(r.Context(), after, maxPage)
			if err != nil {
				web.Fail(w, r, err)
				return
			}
			for _, d := range page {
				if account != "" && d.Account != account {
					after = d.UUID
					continue
				}
				if len(out) == limit {
					next = string(id) + "/" + hex.EncodeToString(after[:])
					break
				}
				after = d.UUID
				out = append(out, letterView(id, d))
			}
			if len(page) < maxPage {
				break
			}
		}
		if next != "" {
			break
		}
	}
	web.JSON(w, r, http.StatusOK, web.ListOf(out, next))
}

func letterKey(s string) (model.Random16, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != 16 {
		return model.Random16{}, errNoLetter
	}
	return model.Random16(raw), nil
}

// letter finds a letter. The id does not say whose it is; at most one client
// has it.
func (a *Admin) letter(r *http.Request) (*store.Client, store.DeadLetter, error) {
	s, ok := strings.CutPrefix(r.PathValue("id"), letterPrefix)
	id, err := letterKey(s)
	if !ok || err != nil {
		return nil, store.DeadLetter{}, errNoLetter
	}
	clients, err := a.keptClients(r)
	if err != nil {
		return nil, store.DeadLetter{}, err
	}
	for _, c := range clients {
		client, err := a.Store.Client(r.Context(), c)
		if err != nil {
			return nil, store.DeadLetter{}, err
		}
		d, err := client.DeadLetter(r.Context(), id)
		if model.Is(err, model.NotFound) {
			continue
		}
		return client, d, err
	}
	return nil, store.DeadLetter{}, errNoLetter
}

func (a *Admin) getLetter(w http.ResponseWriter, r *http.Request) {
	client, d, err := a.letter(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	web.JSON(w, r, http.StatusOK, letterView(client.ID, d))
}

// actOnLetter does something with a letter and answers with what it is then.
func (a *Admin) actOnLetter(action audit.Action, refuse func(store.DeadLetter) string, do func(Letters) func(context.Context, *store.Client, store.DeadLetter) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := web.ReadNothing(w, r)
		if err == nil && a.Letters == nil {
			err = model.Errorf(model.Unavailable, string(action), "This hub delivers nothing.")
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		client, d, err := a.letter(r)
		if err == nil {
			if why := refuse(d); why != "" {
				err = model.Errorf(model.Conflicting, string(action), "%s", why)
			}
		}
		if err == nil {
			err = a.around(r, action, "deadletter/"+letterPrefix+hex.EncodeToString(d.UUID[:]), func(ctx context.Context) error {
				return do(a.Letters)(ctx, client, d)
			})
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		a.getLetter(w, r)
	}
}

// whyKept says why a letter cannot be discarded; empty when it can.
func whyKept(d store.DeadLetter) string {
	switch d.State {
	case store.LetterReplaying, store.LetterReplayed:
		return "It was replayed already."
	case store.LetterWaiting, store.LetterDiscarded:
	}
	return ""
}

func (a *Admin) letterRoutes() []route {
	id := spec.ID("id", "The dead letter's id.")
	client := keptClientParam
	account := spec.Param{In: spec.Query, Name: "account", Description: "Only this account's."}
	missing := spec.Problem(404, "There is no such dead letter, or it is past its retention.")
	one := spec.OK("The dead letter.", DeadLetter{})
	return []route{
		{spec.Operation{
			ID: "listDeadLetters", Method: "GET", Path: "/admin/v1/deadletters", Summary: "List what the hub gave up on.",
			Description: "Seen from outside: what they say is sealed. Those that were replayed or discarded stay in the list until they expire.",
			Params:      append([]spec.Param{client, account}, pageParams...),
			Answers:     []spec.Answer{spec.OK("Dead letters, by client, the oldest first.", web.List[DeadLetter]{}), noClient},
		}, nil, a.listLetters},
		{spec.Operation{
			ID: "getDeadLetter", Method: "GET", Path: "/admin/v1/deadletters/{id}", Summary: "Look up a dead letter.",
			Params: []spec.Param{id, client}, Answers: []spec.Answer{one, missing},
		}, nil, a.getLetter},
		{spec.Operation{
			ID: "replayDeadLetter", Method: "POST", Path: "/admin/v1/deadletters/{id}/replay", Summary: "Try once more.",
			Description: "A message goes back on its lane, with as much time as it had at first; what may have reached the customer before may reach them twice. What came in is handed to its connector.",
			Params:      []spec.Param{id, client},
			Answers:     []spec.Answer{one, missing, spec.Problem(409, "It was replayed or discarded, cannot be replayed, or was refused again; the text says which."), spec.Problem(503, "The connector does not run.")},
		}, nil, a.actOnLetter(audit.LetterReplay, whyNot, func(l Letters) func(context.Context, *store.Client, store.DeadLetter) error { return l.Replay })},
		{spec.Operation{
			ID: "discardDeadLetter", Method: "POST", Path: "/admin/v1/deadletters/{id}/discard", Summary: "Give up for good.",
			Description: "A message becomes `discarded`. The content of what came in is deleted.",
			Params:      []spec.Param{id, client}, Answers: []spec.Answer{one, missing, spec.Problem(409, "It was replayed.")},
		}, nil, a.actOnLetter(audit.LetterDiscard, whyKept, func(l Letters) func(context.Context, *store.Client, store.DeadLetter) error { return l.Discard })},
	}
}
