package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
)

func (a *Admin) getConfig(w http.ResponseWriter, r *http.Request) {
	v, err := a.Config.Effective()
	answer(w, r, v, err)
}

func (a *Admin) diffConfig(w http.ResponseWriter, r *http.Request) {
	v, err := a.Config.Diff(r.Context())
	answer(w, r, v, err)
}

func (a *Admin) reloadConfig(w http.ResponseWriter, r *http.Request) {
	if err := web.ReadNothing(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	var changed json.RawMessage
	err := a.around(r, audit.ConfigReload, "config", func(ctx context.Context) (err error) {
		changed, err = a.Config.Reload(ctx)
		return err
	})
	answer(w, r, changed, err)
}
