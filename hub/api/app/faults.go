package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
)

// allFaults is the error of a request that is wrong by itself: by what its body
// is not made of, misfit, or by what it says, faults. What else is wrong with
// it, by its account, is named with that.
func (a *App) allFaults(ctx context.Context, client model.ClientID, order outbound.Request, misfit error, faults []model.Fault) error {
	if e, ok := errors.AsType[*model.Error](a.Outbound.Judge(ctx, client, order)); ok && len(e.Faults) > 0 {
		faults = append(faults, e.Faults...)
	}
	var all []model.Fault
	if e, ok := errors.AsType[*model.Error](misfit); ok {
		all = e.Faults
		// What could not be read was judged as if it were not there.
		faults = slices.DeleteFunc(faults, func(f model.Fault) bool { return f.In == "" && touches(e.Faults, f.Field) })
	}
	return web.Invalid("The message cannot be sent as it is.", slices.Concat(all, faults)...)
}

// touches reports whether one of the faults is at a field, around it or in it.
func touches(faults []model.Fault, field string) bool {
	inside := func(inner, outer string) bool {
		rest, ok := strings.CutPrefix(inner, outer)
		return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return slices.ContainsFunc(faults, func(f model.Fault) bool { return inside(field, f.Field) || inside(f.Field, field) })
}
