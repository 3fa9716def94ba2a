package journal

import (
	"context"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Drop removes what waits for an account that is gone, and returns how many
// entries there were. What waits for a connector as a whole stays: nobody can
// tell yet whose it is.
func (j *Journal) Drop(ctx context.Context, account model.AccountID) (entries int, err error) {
	for _, r := range j.all() {
		if r.log.Route.Account != account || account == "" {
			continue
		}
		select {
		case r.busy <- struct{}{}:
		case <-ctx.Done():
			return entries, model.Wrap(model.Unavailable, "drop journal", ctx.Err())
		}
		n := r.log.Waiting().Entries
		err := j.journals.Drop(ctx, r.log)
		if err == nil {
			j.mu.Lock()
			if j.routes[r.log.Route] == r {
				delete(j.routes, r.log.Route)
			}
			j.mu.Unlock()
			entries += n
		}
		<-r.busy
		if err != nil {
			return entries, err
		}
		j.measure(r.log.Route.Plugin)
	}
	return entries, nil
}

// Undrained counts what waits in the journals that the accounts of a connector
// share. It reads no row.
func (j *Journal) Undrained() map[model.PluginID]int {
	out := map[model.PluginID]int{}
	for _, r := range j.all() {
		if n := r.log.Waiting().Entries; n > 0 && r.log.Route.Account == "" {
			out[r.log.Route.Plugin] += n
		}
	}
	return out
}

// Waiting tells what waits in journals of these accounts, and in those that the
// accounts of a connector share, and when the last of it ends. It reads no row.
func (j *Journal) Waiting(accounts []model.AccountID) []store.ErasureJournal {
	var out []store.ErasureJournal
	for _, r := range j.all() {
		route, n := r.log.Route, r.log.Waiting().Entries
		if n > 0 && (route.Account == "" || slices.Contains(accounts, route.Account)) {
			out = append(out, store.ErasureJournal{
				Plugin: route.Plugin, Account: route.Account,
				ErasureRest: store.ErasureRest{Count: n, Ends: store.Millis(j.Now().Add(j.Keep))},
			})
		}
	}
	return out
}
