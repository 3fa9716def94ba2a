package app

import (
	"net/http"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

// accountView is an account with what its channel can do and how it fares.
type accountView struct {
	ID      model.AccountID `json:"id"`
	Channel string          `json:"channel"`
	Enabled bool            `json:"enabled"`
	Health  health          `json:"health"`
	// Capabilities is absent while the connector has never run.
	Capabilities *capabilities `json:"capabilities,omitempty"`
}

// health is the state of an account, and since when it is in it.
type health struct {
	State  accounts.State `json:"state"`
	Detail string         `json:"detail,omitempty"`
	Since  *model.Time    `json:"since,omitempty"` // absent before the first move
}

func healthOf(s accounts.Status) health {
	h := health{State: s.State, Detail: s.Detail}
	if !s.Since.IsZero() {
		at := model.At(s.Since)
		h.Since = &at
	}
	return h
}

// capabilities is what the channel can do, in numbers; 0 means no limit of the
// channel's own.
type capabilities struct {
	Send               bool                `json:"send"`
	Typing             bool                `json:"typing"`
	ContentTypes       []model.ContentType `json:"content_types,omitempty"`
	AddressKinds       []model.AddressKind `json:"address_kinds,omitempty"`
	MaxText            int                 `json:"max_text"`
	MaxAttachments     int                 `json:"max_attachments"`
	MaxAttachmentBytes int64               `json:"max_attachment_bytes"`
	AttachmentTypes    []string            `json:"attachment_types,omitempty"`
	IdempotentSend     bool                `json:"idempotent_send"`
}

func (a *App) accountView(acct accounts.Account) accountView {
	v := accountView{ID: acct.ID, Channel: string(acct.Plugin), Enabled: acct.Enabled, Health: healthOf(a.Accounts.Status(acct.ID))}
	if d, ok := a.Describe(acct.Plugin); ok {
		v.Capabilities = &capabilities{
			Send: d.Can.Send || d.Can.RenderSocket, Typing: d.Can.SendSignal || d.Can.RenderSocket,
			ContentTypes: d.Limits.ContentTypes, AddressKinds: d.AddressKinds, MaxText: d.Limits.MaxText,
			MaxAttachments: d.Limits.MaxAttachments, MaxAttachmentBytes: d.Limits.MaxAttachmentBytes,
			AttachmentTypes: d.Limits.AttachmentTypes, IdempotentSend: d.IdempotentSend,
		}
	}
	return v
}

func (a *App) listAccounts(w http.ResponseWriter, r *http.Request) {
	limit, err := web.Limit(r, 100, 500)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	after := model.AccountID(r.URL.Query().Get("cursor"))
	var out []accountView
	next := ""
	for _, acct := range a.Accounts.Accounts(web.PrincipalOf(r.Context()).Client) {
		if acct.ID <= after {
			continue
		}
		if len(out) == limit {
			next = string(out[limit-1].ID)
			break
		}
		out = append(out, a.accountView(acct))
	}
	web.JSON(w, r, http.StatusOK, web.ListOf(out, next))
}

func (a *App) getAccount(w http.ResponseWriter, r *http.Request) {
	acct, ok := a.Accounts.AccountOf(web.PrincipalOf(r.Context()).Client, model.AccountID(r.PathValue("id")))
	if !ok {
		web.Fail(w, r, model.Errorf(model.NotFound, "find account", "There is no such account."))
		return
	}
	web.JSON(w, r, http.StatusOK, a.accountView(acct))
}
