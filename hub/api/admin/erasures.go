package admin

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/erasure"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Eraser erases contacts.
type Eraser interface {
	// Begin orders the erasure of a contact; one that was ordered before comes
	// back, and began is false. Action, subject and outcome of the act are its
	// own.
	Begin(ctx context.Context, who erasure.Who, act store.Act) (order store.Erasure, began bool, err error)
}

// EraseContact says whom to erase.
type EraseContact struct {
	ClientID    model.ClientID    `json:"client_id" doc:"Whose contact it is."`
	ContactID   model.ContactID   `json:"contact_id,omitempty" doc:"The contact; or give an address."`
	Address     string            `json:"address,omitempty" doc:"One of its addresses, as its channel writes it."`
	AddressKind model.AddressKind `json:"address_kind,omitempty" doc:"With address: phone, psid, wa_id, bsuid or visitor."`
}

// Erasure is the erasure of a contact, and its receipt.
type Erasure struct {
	ID           model.ErasureID `json:"id" doc:"era_ and 26 characters; the audit log names the erasure by it."`
	ClientID     model.ClientID  `json:"client_id" doc:"Whose contact it was."`
	ContactID    model.ContactID `json:"contact_id" doc:"The contact; nothing else carries this id any more."`
	Step         string          `json:"step" doc:"begun; then waiting: nothing opens any more, and what was under way is waited out; then done."`
	By           string          `json:"by" doc:"The id of the token that ordered it."`
	AskedAt      model.Time      `json:"asked_at" doc:"When."`
	UnreadableAt *model.Time     `json:"unreadable_at,omitempty" doc:"Since when the key is destroyed, and nothing that was sealed under it opens."`
	DoneAt       *model.Time     `json:"done_at,omitempty" doc:"Since when rows and files are gone too."`
	// UnrecoverableBy is a promise for what the hub itself keeps.
	UnrecoverableBy *model.Time       `json:"unrecoverable_by,omitempty" doc:"When no copy of the key is left in what the hub keeps. Copies that were made of it end with them."`
	Removed         map[string]int    `json:"removed" doc:"How much went. A crash may leave some uncounted."`
	Undrained       []UndrainedPlace  `json:"undrained" doc:"Requests that had not been taken when the erasure ended. Of whom they tell nobody knows; whoever they are of is somebody new."`
	DeadLetters     *UndrainedLetters `json:"dead_letters,omitempty" doc:"Dead letters with requests that no connector took, on the contact's accounts. Of whom they tell nobody knows; discard them, or wait for their end."`
}

// UndrainedPlace is a journal that was not drained.
type UndrainedPlace struct {
	Plugin    model.PluginID  `json:"plugin" doc:"The connector that they wait for."`
	AccountID model.AccountID `json:"account_id,omitempty" doc:"The account; absent for a journal that accounts share."`
	Entries   int             `json:"entries" doc:"How many."`
	EndsAt    model.Time      `json:"ends_at" doc:"When the last of them is gone at the latest."`
}

// UndrainedLetters are dead letters that could not be told apart.
type UndrainedLetters struct {
	Count  int        `json:"count" doc:"How many."`
	EndsAt model.Time `json:"ends_at" doc:"When the last of them is gone."`
}

var errNoEraser = model.Errorf(model.Unavailable, "order erasure", "This hub erases nobody.")

func (a *Admin) erasureView(e store.Erasure) Erasure {
	n := e.Removed
	v := Erasure{
		ID: e.ID, ClientID: e.Client, ContactID: e.Contact, Step: string(e.Step), By: e.By,
		AskedAt: model.At(e.Asked), UnreadableAt: timeOf(e.Unreadable), DoneAt: timeOf(e.Done), Undrained: []UndrainedPlace{},
		Removed: map[string]int{
			"contacts": n.Contacts, "addresses": n.Addresses, "conversations": n.Conversations, "events": n.Events, "messages": n.Messages,
			"provider_ids": n.ProviderIDs, "dead_letters": n.DeadLetters, "attachments": n.Attachments,
		},
	}
	if !e.Unreadable.IsZero() {
		v.UnrecoverableBy = timeOf(e.Unreadable.Add(a.KeyCopies))
	}
	for _, j := range e.Journals {
		v.Undrained = append(v.Undrained, UndrainedPlace{Plugin: j.Plugin, AccountID: j.Account, Entries: j.Count, EndsAt: model.At(j.Ends.Time())})
	}
	if e.Letters.Count > 0 {
		v.DeadLetters = &UndrainedLetters{Count: e.Letters.Count, EndsAt: model.At(e.Letters.Ends.Time())}
	}
	return v
}

func (b EraseContact) who() (erasure.Who, error) {
	var faults []model.Fault
	fault := func(field, detail string) { faults = append(faults, model.Fault{Field: field, Detail: detail}) }
	if !model.ValidConfiguredID(string(b.ClientID)) {
		fault("client_id", "name the client whose contact it is")
	}
	switch {
	case (b.ContactID == "") == (b.Address == ""):
		fault("contact_id", "give either contact_id or address")
	case b.ContactID != "" && !b.ContactID.Valid():
		fault("contact_id", "a contact id is cnt_ and 26 characters")
	case b.ContactID != "" && b.AddressKind != "":
		fault("address_kind", "it belongs to an address")
	case b.Address != "" && b.AddressKind == "":
		fault("address_kind", "say which kind of address it is: phone, psid, wa_id, bsuid, visitor or a connector's own")
	case len(b.Address) > 256 || !utf8.ValidString(b.Address):
		fault("address", "an address has at most 256 bytes of UTF-8")
	}
	if len(faults) > 0 {
		return erasure.Who{}, &model.Error{Code: model.Invalid, Op: "order erasure", Detail: "It does not say whom to erase.", Faults: faults}
	}
	return erasure.Who{Client: b.ClientID, Contact: b.ContactID, Address: model.Address{Kind: b.AddressKind, Value: b.Address}}, nil
}

func (a *Admin) eraseContact(w http.ResponseWriter, r *http.Request) {
	if a.Eraser == nil {
		web.Fail(w, r, errNoEraser)
		return
	}
	var asked EraseContact
	if _, err := web.ReadJSON(w, r, 4<<10, &asked); err != nil {
		web.Fail(w, r, err)
		return
	}
	who, err := asked.who()
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	order, began, err := a.Eraser.Begin(r.Context(), who, by(r).Did("", ""))
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	status := http.StatusOK
	if began {
		status = http.StatusAccepted
	}
	w.Header().Set("Location", "/admin/v1/contacts/erasures/"+string(order.ID))
	web.JSON(w, r, status, a.erasureView(order))
}

func (a *Admin) getErasure(w http.ResponseWriter, r *http.Request) {
	id := model.ErasureID(r.PathValue("id"))
	none := model.Errorf(model.NotFound, "find erasure", "There is no such erasure.")
	if !id.Valid() {
		web.Fail(w, r, none)
		return
	}
	found, err := a.Store.Erasure(r.Context(), id)
	if model.Is(err, model.NotFound) {
		err = none
	}
	answer(w, r, a.erasureView(found), err)
}

func (a *Admin) listErasures(w http.ResponseWriter, r *http.Request) {
	limit, badLimit := web.Limit(r, 100, 500)
	after := model.ErasureID(r.URL.Query().Get("cursor"))
	var badCursor error
	if after != "" && !after.Valid() {
		badCursor = web.Invalid("The cursor is not one that this list gave out.", web.InQuery("cursor", "give the next_cursor of an earlier answer unchanged, or none"))
	}
	if err := web.AllFaults(badLimit, badCursor); err != nil {
		web.Fail(w, r, err)
		return
	}
	found, more, err := a.Store.Erasures(r.Context(), after, limit)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	out := []Erasure{}
	next := ""
	for _, e := range found {
		out = append(out, a.erasureView(e))
	}
	if more && len(found) > 0 {
		next = string(found[len(found)-1].ID)
	}
	web.JSON(w, r, http.StatusOK, web.ListOf(out, next))
}

func (a *Admin) erasureRoutes() []route {
	order := func(status int, description string) spec.Answer {
		return spec.Answer{
			Status: status, Description: description, Type: Erasure{},
			Headers: []spec.HeaderDoc{{Name: "Location", Description: "Where its progress and its receipt are."}},
		}
	}
	return []route{
		{spec.Operation{
			ID: "eraseContact", Method: "POST", Path: "/admin/v1/contacts/erase", Summary: "Erase a contact.",
			Description: "Its conversations, messages, files, dead letters and addresses go, and the key that all of it is sealed under. Within a second nothing of it can be read; rows and files are gone some ten seconds later. Who writes again from one of its addresses is somebody new. There is no way back.\n\nThe audit log names the erasure, never the contact. Repeating an order answers with the first.",
			Body:        &spec.Body{Type: EraseContact{}},
			Answers: []spec.Answer{
				order(http.StatusAccepted, "It is ordered, and is carried out whatever crashes."), order(http.StatusOK, "It was ordered before; this is how far it is."),
				spec.Problem(404, "There is no such client or contact."), spec.Problem(422, "It does not say whom to erase."), spec.Problem(503, "This hub erases nobody."),
			},
		}, nil, a.eraseContact},
		{spec.Operation{
			ID: "listErasures", Method: "GET", Path: "/admin/v1/contacts/erasures", Summary: "List erasures.",
			Description: "Those under way, and the receipts of those that are done, which are kept as long as the audit log.",
			Params:      pageParams, Answers: []spec.Answer{spec.OK("Erasures, by id.", web.List[Erasure]{})},
		}, nil, a.listErasures},
		{spec.Operation{
			ID: "getErasure", Method: "GET", Path: "/admin/v1/contacts/erasures/{id}", Summary: "How far an erasure is, and its receipt.",
			Params: []spec.Param{spec.ID("id", "The erasure's id.")}, Answers: []spec.Answer{spec.OK("The erasure.", Erasure{}), spec.Problem(404, "There is no such erasure.")},
		}, nil, a.getErasure},
	}
}
