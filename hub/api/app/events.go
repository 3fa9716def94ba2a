package app

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	defaultEvents = 100
	maxEvents     = 500
	maxWait       = 60 * time.Second
	// maxReaders bounds the long polls and streams of one token.
	maxReaders = 16
	// recheckFeed is how often a waiting reader looks although nobody told it
	// to: another hub may have written.
	recheckFeed = 5 * time.Second
)

// readers counts the waiting readers of each token.
type readers struct {
	mu sync.Mutex
	by map[string]int
}

func (rs *readers) enter(p access.Principal) (leave func(), err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.by[p.Token] >= maxReaders {
		return nil, model.Errorf(model.Throttled, "read events", "This token already has %d readers waiting; close one first.", maxReaders)
	}
	if rs.by == nil {
		rs.by = map[string]int{}
	}
	rs.by[p.Token]++
	return func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if rs.by[p.Token]--; rs.by[p.Token] == 0 {
			delete(rs.by, p.Token)
		}
	}, nil
}

func (a *App) getEvents(w http.ResponseWriter, r *http.Request) {
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if accepts(r, "text/event-stream") {
		a.streamEvents(w, r, client, p)
		return
	}
	cursor := r.URL.Query().Get("cursor")
	limit, badLimit := web.Limit(r, defaultEvents, maxEvents)
	wait, badWait := web.Duration(r, "wait", 0, maxWait)
	if err := web.AllFaults(badLimit, badWait); err != nil {
		if cursor != "" { // nothing is acknowledged by a call that is refused
			_, bad := a.place(r.Context(), client, cursor)
			err = web.AllFaults(err, cursorProblem(bad))
		}
		web.Fail(w, r, err)
		return
	}
	from, err := a.startOf(r.Context(), client, p, cursor, true)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	got, err := a.await(r.Context(), client, p, from, limit, wait)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	next, err := client.Cursor(r.Context(), got.at)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	a.read(p, audit.ReadEvents, len(got.events))
	web.JSON(w, r, http.StatusOK, web.ListOf(got.events, next))
}

func accepts(r *http.Request, kind string) bool {
	for _, v := range r.Header.Values("Accept") {
		if strings.Contains(v, kind) {
			return true
		}
	}
	return false
}

// startOf is where a reader begins: at its cursor, which acknowledges what
// lies before it, or behind what its consumer acknowledged last.
func (a *App) startOf(ctx context.Context, client *store.Client, p access.Principal, cursor string, acknowledge bool) ([]store.Position, error) {
	if cursor == "" {
		return a.acks.marks(ctx, client, p.Consumer)
	}
	at, err := a.place(ctx, client, cursor)
	if err != nil {
		return nil, cursorProblem(err)
	}
	if err := a.checkFloor(ctx, client, at); err != nil {
		return nil, err
	}
	if acknowledge {
		err = a.acks.note(ctx, client, p.Consumer, at)
	}
	return at, err
}

// place is where a cursor points. One ahead of the feed was given out by a feed
// that has lost its end, as behind a restored backup: to take it would
// acknowledge events that are yet to come.
func (a *App) place(ctx context.Context, client *store.Client, cursor string) ([]store.Position, error) {
	at, err := client.ParseCursor(ctx, cursor)
	if err != nil {
		return nil, err
	}
	for i, log := range client.FeedLogs() {
		reached, err := log.Reaches(ctx, at[i])
		if err != nil {
			return nil, err
		}
		if !reached {
			return nil, model.Errorf(model.Invalid, "read cursor", "the cursor lies ahead of the feed")
		}
	}
	return at, nil
}

func cursorProblem(err error) error {
	if model.Is(err, model.Invalid) {
		return web.Invalid("The cursor is not one that this feed gave out.",
			model.Fault{Field: "cursor", Detail: "give a next_cursor of an earlier answer unchanged, or none to start behind your last acknowledgement"})
	}
	return err
}

// checkFloor refuses a cursor whose place was trimmed, naming the oldest to
// read on with: what else the cursor has passed stays passed.
func (a *App) checkFloor(ctx context.Context, client *store.Client, at []store.Position) error {
	oldest := append([]store.Position(nil), at...)
	gone := false
	for i, log := range client.FeedLogs() {
		if at[i].N == 0 {
			continue
		}
		floor, err := log.Floor(ctx)
		if err != nil {
			return err
		}
		if at[i].N <= floor {
			oldest[i], gone = store.Position{N: floor + 1}, true
		}
	}
	if !gone {
		return nil
	}
	cursor, err := client.Cursor(ctx, oldest)
	if err != nil {
		return err
	}
	return web.GoneBefore(cursor, "What lay behind this cursor is past its retention. Read on with the cursor in `oldest`, behind which the oldest event lies that is kept.")
}

// await reads a page, waiting for the first event as long as wait allows.
func (a *App) await(ctx context.Context, client *store.Client, p access.Principal, from []store.Position, limit int, wait time.Duration) (page, error) {
	// The channels come before the read: what is appended between the two
	// closes them.
	changed := changes(client)
	got, err := a.readFeed(ctx, client, from, limit)
	if err != nil || got.any() || wait == 0 {
		return got, err
	}
	web.Lasting(ctx)
	leave, err := a.readers.enter(p)
	if err != nil {
		return page{}, err
	}
	defer leave()
	end := time.NewTimer(wait)
	defer end.Stop()
	for {
		select {
		case <-first(ctx, changed):
		case <-time.After(recheckFeed):
		case <-end.C:
			return got, nil
		case <-a.ending:
			return got, nil
		case <-ctx.Done():
			return page{}, web.Malformed("The request was given up.")
		}
		changed = changes(client)
		if got, err = a.readFeed(ctx, client, got.at, limit); err != nil || got.any() {
			return got, err
		}
	}
}

func changes(client *store.Client) []<-chan struct{} {
	logs := client.FeedLogs()
	out := make([]<-chan struct{}, len(logs))
	for i, l := range logs {
		out[i] = l.Changed()
	}
	return out
}

// first is a channel that is closed once one of the others is, or ctx ends.
func first(ctx context.Context, of []<-chan struct{}) <-chan struct{} {
	if len(of) == 1 {
		return of[0]
	}
	done := make(chan struct{})
	var once sync.Once
	for _, c := range of {
		go func() {
			select {
			case <-c:
				once.Do(func() { close(done) })
			case <-done:
			case <-ctx.Done():
			}
		}()
	}
	return done
}

func (a *App) ackEvents(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Cursor string `json:"cursor"`
	}
	if _, err := web.ReadJSON(w, r, 16<<10, &req); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if req.Cursor == "" {
		web.Fail(w, r, web.Invalid("The cursor is missing.", model.Fault{Field: "cursor", Detail: "give the cursor up to which events are done"}))
		return
	}
	at, err := a.place(r.Context(), client, req.Cursor)
	if err == nil {
		// The caller asked for exactly this, so it is durable before the 204.
		err = a.acks.save(r.Context(), client, p.Consumer, at)
	}
	if err != nil {
		web.Fail(w, r, cursorProblem(err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

const (
	// streamBeat keeps proxies from closing a quiet stream.
	streamBeat     = 15 * time.Second
	streamPatience = 10 * time.Second
)

// streamEvents serves the feed as server-sent events. The id of each is the
// cursor behind it.
func (a *App) streamEvents(w http.ResponseWriter, r *http.Request, client *store.Client, p access.Principal) {
	ctx := r.Context()
	cursor, acknowledge := r.Header.Get("Last-Event-ID"), false
	if cursor == "" {
		cursor, acknowledge = r.URL.Query().Get("cursor"), true
	}
	from, err := a.startOf(ctx, client, p, cursor, acknowledge)
	if err != nil {
		if !acknowledge && model.Is(err, model.Invalid) {
			err = web.Invalid("The Last-Event-ID is not one that this stream gave out.",
				web.InHeader("Last-Event-ID", "give the id of an earlier event unchanged, or none to start behind your last acknowledgement"))
		}
		web.Fail(w, r, err)
		return
	}
	leave, err := a.readers.enter(p)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	defer leave()
	a.Metrics.SSEClients(1)
	defer a.Metrics.SSEClients(-1)

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	s := &stream{w: w, rc: http.NewResponseController(w), patience: a.Patience}
	defer s.end()
	if s.comment("open") != nil {
		return
	}
	for {
		changed := changes(client)
		got, err := a.readFeed(ctx, client, from, defaultEvents)
		if err != nil {
			// The reader resumes from its last id; the cause is in our log.
			a.Logger.Warn("an event stream ended early", telemetry.FieldClient, client.ID, "error", err)
			return
		}
		a.read(p, audit.ReadEvents, len(got.events))
		for i, ev := range got.events {
			id, err := client.Cursor(ctx, got.ends[i])
			if err != nil || s.event(id, ev) != nil {
				return
			}
		}
		if from = got.at; got.more {
			continue
		}
		if s.flush() != nil {
			return
		}
		select {
		case <-first(ctx, changed):
		case <-time.After(recheckFeed):
			if s.beatDue(streamBeat) && s.comment("beat") != nil {
				return
			}
		case <-a.ending:
			return
		case <-ctx.Done():
			return
		}
	}
}
