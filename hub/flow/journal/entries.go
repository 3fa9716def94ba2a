package journal

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Entry is what operators see of something that waits: never what it says.
type Entry struct {
	ID       string
	Route    store.JournalRoute
	Kind     store.JournalKind
	Received time.Time
	Expires  time.Time
	Size     int64
}

// entryID spells the place of an entry: connector, account, row. Ids from
// configuration hold no slash.
func entryID(route store.JournalRoute, n uint64) string {
	return route.String() + "/" + strconv.FormatUint(n, 10)
}

func parseEntryID(id string) (route store.JournalRoute, n uint64, ok bool) {
	part := strings.Split(id, "/")
	if len(part) != 3 {
		return route, 0, false
	}
	route = store.JournalRoute{Plugin: model.PluginID(part[0]), Account: model.AccountID(part[1])}
	n, err := strconv.ParseUint(part[2], 10, 64)
	return route, n, err == nil && id == entryID(route, n)
}

// Entries lists what waits, by connector, account and order of arrival, behind
// the entry that the cursor names; an empty plugin means all. Next is empty at
// the end.
func (j *Journal) Entries(ctx context.Context, plugin model.PluginID, cursor string, limit int) (out []Entry, next string, err error) {
	var after store.JournalRoute
	var n uint64
	if cursor != "" {
		var ok bool
		if after, n, ok = parseEntryID(cursor); !ok {
			return nil, "", &model.Error{
				Code: model.Invalid, Op: "list journal", Detail: "The cursor is not one of this list.",
				Faults: []model.Fault{{Field: "cursor", Detail: "give next_cursor unchanged"}},
			}
		}
	}
	for _, r := range j.all() {
		route := r.log.Route
		at := cmp.Or(cmp.Compare(route.Plugin, after.Plugin), cmp.Compare(route.Account, after.Account))
		if plugin != "" && route.Plugin != plugin || cursor != "" && at < 0 {
			continue
		}
		from := uint64(0)
		if cursor != "" && at == 0 {
			from = n
		}
		for {
			entries, err := r.log.Read(ctx, from)
			if err != nil {
				return nil, "", err
			}
			if len(entries) == 0 {
				break
			}
			for _, e := range entries {
				from = e.N
				if !j.Now().Before(e.Expires) {
					continue
				}
				if len(out) == limit {
					return out, out[limit-1].ID, nil
				}
				out = append(out, Entry{
					ID: entryID(route, e.N), Route: route, Kind: e.Kind, Received: e.Received, Expires: e.Expires, Size: e.Size,
				})
			}
		}
	}
	return out, "", nil
}

// Replay hands over what waits for a connector now, without the pause that a
// failed attempt brings. It returns how many entries were taken and how many
// still wait; that the connector is away is no error.
func (j *Journal) Replay(ctx context.Context, plugin model.PluginID) (taken, waiting int, err error) {
	for _, r := range j.all() {
		if r.log.Route.Plugin != plugin {
			continue
		}
		n, err := j.replay(ctx, r)
		taken += n
		if err != nil && !model.CodeOf(err).Temporary() {
			return taken, waiting, err
		}
		waiting += r.log.Waiting().Entries
	}
	return taken, waiting, nil
}

func (j *Journal) replay(ctx context.Context, r *route) (int, error) {
	select {
	case r.busy <- struct{}{}:
	case <-ctx.Done():
		return 0, model.Wrap(model.Unavailable, "wait for the journal", context.Cause(ctx))
	}
	defer func() { <-r.busy }()
	r.pause(j.Now())
	if err := r.log.Refresh(ctx); err != nil {
		return 0, err
	}
	return j.drain(ctx, r)
}
