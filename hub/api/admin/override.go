package admin

import (
	"net/http"

	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// OverrideView is an operator's word against the configuration.
type OverrideView struct {
	By string     `json:"by" doc:"The id of the token that switched it off."`
	At model.Time `json:"at" doc:"When."`
}

// ConfiguredSwitch is what configuration says of a switch.
type ConfiguredSwitch struct {
	Enabled bool   `json:"enabled" doc:"What configuration says."`
	Where   string `json:"where" doc:"Where it says so: file and line, an environment variable, or default."`
}

// overridden is something with a switch in configuration, and the override of
// that switch.
type overridden struct {
	kind     store.OverrideKind
	id       string
	file     Switch
	override *store.Override
}

func (a *Admin) overridden(r *http.Request, kind store.OverrideKind, id string, file Switch) (overridden, error) {
	o := overridden{kind: kind, id: id, file: file}
	row, there, err := a.Store.Override(r.Context(), kind, id)
	if there {
		o.override = &row
	}
	return o, err
}

func (o overridden) enabled() bool { return o.file.Enabled && o.override == nil }

func (o overridden) configured() ConfiguredSwitch { return ConfiguredSwitch(o.file) }

func (o overridden) view() *OverrideView {
	if o.override == nil {
		return nil
	}
	return &OverrideView{By: o.override.By, At: model.At(o.override.At)}
}

func (o overridden) etag() string {
	if o.override == nil {
		return etagOf(o.kind, o.id, o.file.Enabled)
	}
	return etagOf(o.kind, o.id, o.file.Enabled, o.override.By, o.override.At.UnixMilli())
}

// change writes or lifts the override, with its audit row. An override can
// only switch off what configuration switches on, and lift itself.
func (a *Admin) change(r *http.Request, o overridden, on bool, action audit.Action) error {
	if err := ifMatch(r, o.etag()); err != nil {
		return err
	}
	if !o.file.Enabled {
		return model.Errorf(model.Conflicting, string(action),
			"Configuration has this %s switched off at %s: change it there.", o.kind, o.file.Where)
	}
	act := by(r).Did(action, string(o.kind)+"/"+o.id)
	switch {
	case !on:
		return a.Store.SetOverride(r.Context(), o.kind, o.id, act)
	case o.override != nil:
		return a.Store.LiftOverride(r.Context(), *o.override, act)
	}
	return nil
}
