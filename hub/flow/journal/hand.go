package journal

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// verdict is what became of one entry, or why it is worth a repeat.
type verdict struct {
	became store.JournalTally
	err    error
}

var (
	replayed = verdict{became: store.JournalTally{Replayed: 1}}
	refused  = verdict{became: store.JournalTally{Refused: 1}}
	expired  = verdict{became: store.JournalTally{Expired: 1}}
)

// lockedError is that of a root of keys that is away or refuses: it says
// nothing about the entry, which waits until the hub may open and seal again.
type lockedError struct{ err error }

func (e *lockedError) Error() string { return e.err.Error() }

func (e *lockedError) Unwrap() error { return e.err }

// locked marks the error of making an entry durable, if the root of keys
// refused it.
func locked(err error) error {
	for at := err; at != nil; at = errors.Unwrap(at) {
		if e, ok := errors.AsType[*model.Error](at); ok && e.Code == model.Denied {
			return &lockedError{model.Wrap(model.Unavailable, "make journal entry durable", err)}
		}
	}
	return err
}

// translated is what a connector made of one entry.
type translated struct {
	items  []pluginhost.Item
	commit func(ctx context.Context) verdict
}

// handOver gives entries of one kind to the connector and makes durable what
// it made of them. An error means that the connector took none of them.
func (j *Journal) handOver(ctx context.Context, log *store.Journal, entries []store.JournalEntry) ([]verdict, error) {
	verdicts := make([]verdict, len(entries))
	var readable []int
	var contents [][]byte
	for i, e := range entries {
		content, err := log.Content(ctx, e)
		switch {
		case err == nil:
			readable, contents = append(readable, i), append(contents, content)
		case model.Is(err, model.NotFound):
			verdicts[i] = expired
		case !model.Is(err, model.Corrupt):
			return nil, &lockedError{model.Wrap(model.Unavailable, "open journal entry", err)}
		default:
			verdicts[i] = j.refuse(ctx, log.Route, e, nil, reasonUnreadable, err)
		}
	}
	if len(readable) == 0 {
		return verdicts, nil
	}
	var made []translated
	var err error
	if entries[0].Kind == store.JournalFrame {
		made, err = j.frames(ctx, log.Route, contents)
	} else {
		made, err = j.requests(ctx, log.Route, contents)
	}
	if err != nil {
		return nil, err
	}
	var groups sync.WaitGroup
	for _, group := range apart(made) {
		groups.Go(func() {
			var failed error
			for _, k := range group {
				v := verdict{err: failed} // it comes behind the one that failed, in a later try
				if failed == nil {
					v = made[k].commit(ctx)
				}
				if v == refused {
					v = j.refuse(ctx, log.Route, entries[readable[k]], contents[k], reasonRefused, nil)
				}
				failed, verdicts[readable[k]] = v.err, v
			}
		})
	}
	groups.Wait()
	return verdicts, nil
}

// refuse ends an entry that nobody will ever take: it leaves a dead letter
// with what came in, still sealed. Without the letter the entry stays.
func (j *Journal) refuse(ctx context.Context, route store.JournalRoute, e store.JournalEntry, content []byte, reason string, cause error) verdict {
	if err := j.letter(ctx, route, e, content, reason); err != nil {
		return verdict{err: locked(err)}
	}
	j.Logger.Warn("a journaled entry was refused", telemetry.FieldPlugin, route.Plugin, telemetry.FieldAccount, route.Account,
		"entry", entryID(route, e.N), telemetry.FieldCode, model.CodeOf(cause))
	return refused
}

// requests has the connector translate requests, which it verifies once more.
func (j *Journal) requests(ctx context.Context, route store.JournalRoute, contents [][]byte) ([]translated, error) {
	made := make([]translated, len(contents))
	asked := make([]pluginhost.HTTPRequest, len(contents))
	for i, content := range contents {
		var err error
		if asked[i], err = unpackRequest(route, content); err != nil {
			return nil, err
		}
	}
	results, err := j.Connectors.ReceiveHTTP(ctx, route.Plugin, asked)
	if err != nil {
		return nil, err
	}
	for i, res := range results {
		made[i] = translated{items: res.Items, commit: func(ctx context.Context) verdict {
			reply, err := j.Commit(ctx, route.Plugin, route.Account, asked[i].ReceivedAt, res)
			switch {
			case err != nil:
				return verdict{err: locked(err)}
			case reply.Status >= http.StatusInternalServerError:
				return verdict{err: model.Errorf(model.Unavailable, "replay request", "the connector answered with status %d", reply.Status)}
			case reply.Status >= http.StatusBadRequest:
				return refused
			}
			return replayed
		}}
	}
	return made, nil
}

// frames has the connector translate frames whose sockets may be gone.
func (j *Journal) frames(ctx context.Context, route store.JournalRoute, contents [][]byte) ([]translated, error) {
	made := make([]translated, len(contents))
	asked := make([]pluginhost.SocketFrame, len(contents))
	for i, content := range contents {
		var err error
		if asked[i], err = unpackFrame(route, content); err != nil {
			return nil, err
		}
	}
	results, err := j.Connectors.ReceiveSocket(ctx, route.Plugin, asked)
	if err != nil {
		return nil, err
	}
	for i, res := range results {
		made[i] = translated{items: res.Items, commit: func(ctx context.Context) verdict {
			if res.Refusal != nil {
				return refused
			}
			errs := j.Accept(ctx, inbound.Source{
				Plugin: route.Plugin, Verified: []model.AccountID{route.Account}, Received: asked[i].ReceivedAt,
			}, res.Items)
			if err := inbound.Worth(errs); err != nil {
				return verdict{err: locked(model.Wrap(model.Unavailable, "replay frame", err))}
			}
			for _, err := range errs {
				if err != nil {
					return refused
				}
			}
			return replayed
		}}
	}
	return made, nil
}
