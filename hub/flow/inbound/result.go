package inbound

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// Result is what became of one item. A repeat of an item has the same result
// as its first copy.
type Result struct {
	// Err is nil when the item is durable; see Accept.
	Err error
	// Event is the id of the event; empty for a receipt, a signal, and an end
	// of what was over.
	Event model.EventID
	// Message is the id of the event's message, if it has one.
	Message      model.MessageID
	Conversation model.ConversationID
	Committed    time.Time
}

// AcceptResults is Accept for callers that tell their side which rows came of
// the items.
func (in *Inbound) AcceptResults(ctx context.Context, from Source, items []pluginhost.Item) []Result {
	if from.Received.IsZero() {
		from.Received = in.Now()
	}
	results := make([]Result, len(items))
	for i, item := range items {
		results[i] = in.accept(ctx, from, item)
	}
	return results
}

func resultOf(e store.StoredEvent, err error) Result {
	if err != nil || e.Conversation == "" {
		return Result{Err: err}
	}
	r := Result{
		Event:        model.EventPlace{Conversation: e.Conversation, Key: e.Key}.ID(),
		Conversation: e.Conversation, Committed: e.Committed,
	}
	if e.Event.Message != nil {
		r.Message = model.MessagePlace{Conversation: e.Conversation, Direction: model.Inbound, Key: e.Key}.ID()
	}
	return r
}
