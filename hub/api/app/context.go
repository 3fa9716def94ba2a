package app

import (
	"encoding/json"
	"net/http"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

type sessionContextView struct {
	SessionID model.SessionID   `json:"session_id"`
	SetAt     model.Time        `json:"set_at"`
	IP        string            `json:"ip,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	Page      json.RawMessage   `json:"page,omitempty"`
	Cookies   map[string]string `json:"cookies,omitempty"`
	Data      json.RawMessage   `json:"data,omitempty"`
}

// getSessionContext shows what is known of a browser while its session lasts.
func (a *App) getSessionContext(w http.ResponseWriter, r *http.Request) {
	client, _, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	s, err := a.Inbound.SessionContext(r.Context(), client, model.ConversationID(r.PathValue("id")))
	if err != nil {
		web.Fail(w, r, hide(err, model.Errorf(model.NotFound, "find session context", "Nothing is known of a session of this conversation that goes on.")))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	web.JSON(w, r, http.StatusOK, sessionContextView{
		SessionID: s.Session, SetAt: model.At(s.Set), IP: s.IP, UserAgent: s.UserAgent, Page: s.Page, Cookies: s.Cookies, Data: s.Data,
	})
}
