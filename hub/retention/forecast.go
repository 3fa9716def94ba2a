package retention

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Horizons are how far a forecast looks ahead.
func Horizons() []time.Duration {
	return []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
}

// forecastRows bounds what a forecast reads in one feed log, and among dead
// letters and attachments: it is an estimate that never costs more than a
// page or two of the sweeper.
const forecastRows = 1000

// Forecast is how much of a client's data ends within a time from now.
type Forecast struct {
	Within      time.Duration
	Messages    int // content that was read, events and messages together
	Undelivered int // content that nobody has read, if nobody reads it by then
	DeadLetters int
	Attachments int
	// Partial says that there was more than a forecast looks at: the counts
	// are at least so high.
	Partial bool
}

// Forecast tells what goes when, for each of Horizons. It reads the records of
// the feed, which lie in clear, and opens nothing; an end that a record does
// not tell exactly, as a dead letter's, is taken from its row.
func (s *Sweeper) Forecast(ctx context.Context, id model.ClientID) ([]Forecast, error) {
	client, err := s.o.Store.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	policy, err := s.o.Policies.Policy(ctx, id)
	if err != nil {
		return nil, err
	}
	view, err := s.o.Ends.look(ctx, client, s.o.Now())
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	out := make([]Forecast, len(Horizons()))
	for i, d := range Horizons() {
		out[i].Within = d
	}
	add := func(at time.Time, count func(*Forecast)) {
		for i := range out {
			if !at.After(now.Add(out[i].Within)) {
				count(&out[i])
			}
		}
	}
	partial := false
	for shard := range client.FeedLogs() {
		more, err := forecastFeed(ctx, client, shard, view, policy.Keep, add)
		if err != nil {
			return nil, err
		}
		partial = partial || more
	}
	letters, err := client.DeadLetters(ctx, model.Random16{}, forecastRows)
	if err != nil {
		return nil, err
	}
	for _, d := range letters {
		add(d.Expires, func(f *Forecast) { f.DeadLetters++ })
	}
	partial = partial || len(letters) == forecastRows
	for i := range out {
		n, more, err := client.DueBetween(ctx, now, now.Add(out[i].Within), AttachmentKind, forecastRows)
		if err != nil {
			return nil, err
		}
		out[i].Attachments, partial = n, partial || more
	}
	for i := range out {
		out[i].Partial = partial
	}
	return out, nil
}

// AttachmentKind is the kind of what is due that counts as an attachment.
const AttachmentKind = "attachment"

// forecastFeed goes through what the sweeper has not done yet.
func forecastFeed(ctx context.Context, client *store.Client, shard int, view *View, keep model.Retention, add func(time.Time, func(*Forecast))) (more bool, err error) {
	log := client.FeedLogs()[shard]
	swept, err := client.FeedSweep(ctx, shard)
	if err != nil {
		return false, err
	}
	floor, err := log.Floor(ctx)
	if err != nil {
		return false, err
	}
	rows, err := log.Read(ctx, max(swept.At, floor), forecastRows)
	if model.Is(err, model.NotFound) {
		return true, nil // trimmed between the two looks
	}
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		for i, r := range row.Records {
			if r.Kind != store.EventRecord && (r.Kind != store.StatusRecord || !r.New.Final()) {
				continue
			}
			at, read := view.end(shard, store.Behind(row, i), r.At.Time().Add(keep.Undelivered))
			add(at, func(f *Forecast) {
				if read {
					f.Messages++
				} else {
					f.Undelivered++
				}
			})
		}
	}
	return len(rows) == forecastRows, nil
}
