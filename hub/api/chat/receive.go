package chat

import (
	"context"
	"encoding/json"

	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// takeAll works on the frames of the browser in the order they came, also on
// those that it left behind when it went.
func (s *socket) takeAll(life, ctx context.Context) {
	for f := range s.work {
		answer := s.takeOne(life, f)
		if f.id != "" {
			s.send(ctx, answer)
		}
	}
}

func (s *socket) takeOne(ctx context.Context, f frame) []byte {
	ctx, cancel := context.WithTimeout(ctx, s.chat.limits.FrameWithin)
	defer cancel()
	switch f.kind {
	case "hello":
		return never(f, nackMalformed, "The page said hello before.")
	case "delivered":
		return s.takeReceipt(ctx, f, model.Delivered)
	case "read":
		return s.takeReceipt(ctx, f, model.Read)
	case "context":
		return s.takeContext(ctx, f)
	default:
		return s.takePayload(ctx, f)
	}
}

// taken, again and never are the answers to a frame.
func taken(f frame) []byte { return encode(ack{Type: "ack", ID: f.id}) }

func again(f frame) []byte {
	return encode(nack{Type: "nack", ID: f.id, Code: nackUnavailable, Detail: "The chat is not available right now.", Retry: true})
}

func never(f frame, code, detail string) []byte {
	return encode(nack{Type: "nack", ID: f.id, Code: code, Detail: detail})
}

// takePayload hands a frame to the connector and makes durable what it told. A
// frame is acknowledged only then, or when the journal has it (I1).
func (s *socket) takePayload(ctx context.Context, f frame) []byte {
	sent := pluginhost.SocketFrame{
		AccountID: s.account.ID, SocketID: s.id, Visitor: s.visitor, Frame: f.data, ReceivedAt: f.at,
	}
	if kept, err := s.keep(ctx, f, sent, false); err != nil || kept {
		return s.keptOrAgain(f, err)
	}
	results, err := s.chat.opts.Plugins.ReceiveSocket(ctx, s.account.Plugin, []pluginhost.SocketFrame{sent})
	switch {
	case model.Is(err, model.Unavailable):
		kept, err := s.keep(ctx, f, sent, true)
		if !kept {
			return again(f)
		}
		return s.keptOrAgain(f, err)
	case model.Is(err, model.Precondition):
		return never(f, nackUnsupported, "This chat does not take messages.")
	case err != nil || len(results) != 1 || results[0].Fault:
		s.chat.log.Warn("a connector failed on a frame", telemetry.FieldAccount, s.account.ID, "code", model.CodeOf(err))
		return again(f)
	case results[0].Refusal != nil:
		return refusal(f, results[0].Refusal)
	case f.id != "" && len(results[0].Items) == 0:
		// Nothing is durable of a frame that told nothing, whether the
		// connector broke on it or what it told broke the contract.
		s.chat.log.Warn("a connector told nothing of a frame", telemetry.FieldAccount, s.account.ID)
		return again(f)
	}
	return s.accept(ctx, f, results[0].Items)
}

// keep offers a frame to the journal. A signal is not worth keeping.
func (s *socket) keep(ctx context.Context, f frame, sent pluginhost.SocketFrame, away bool) (bool, error) {
	if s.chat.opts.Journal == nil || f.id == "" {
		return false, nil
	}
	return s.chat.opts.Journal.Keep(ctx, s.account.Plugin, sent, away)
}

func (s *socket) keptOrAgain(f frame, err error) []byte {
	if err == nil {
		return taken(f)
	}
	if !model.CodeOf(err).Temporary() {
		s.chat.log.Error("a frame could not be journaled", telemetry.FieldAccount, s.account.ID, "error", err)
	}
	return again(f)
}

// refusal passes on why the connector did not understand a frame.
func refusal(f frame, r *pluginhost.FrameRefusal) []byte {
	switch r.Code {
	case nackMalformed, nackUnsupported, nackTooLong:
		return never(f, r.Code, r.Detail)
	default:
		return never(f, nackRejected, r.Detail)
	}
}

func (s *socket) accept(ctx context.Context, f frame, items []pluginhost.Item) []byte {
	results := s.chat.opts.Inbound.AcceptResults(ctx, inbound.Source{
		Plugin: s.account.Plugin, Verified: []model.AccountID{s.account.ID}, Received: f.at,
	}, items)
	errs := make([]error, len(results))
	answer := ack{Type: "ack", ID: f.id}
	var failed error
	for i, r := range results {
		if errs[i] = r.Err; r.Err != nil {
			failed = r.Err
		}
		if answer.At == nil && r.Event != "" {
			at := model.At(r.Committed)
			answer.Message, answer.At = r.Message, &at
		}
	}
	if err := inbound.Worth(errs); err != nil {
		s.chat.log.Warn("a frame could not be committed", telemetry.FieldAccount, s.account.ID, "error", err)
		return again(f)
	}
	if failed != nil {
		s.chat.log.Warn("what a connector told of a frame was refused", telemetry.FieldAccount, s.account.ID, "error", failed)
		return never(f, nackRejected, "This could not be taken.")
	}
	for _, r := range results {
		if r.Event != "" {
			s.keepKnown(ctx)
			break
		}
	}
	// Whoever repeats a frame whose first copy nobody was told of is told now.
	s.chat.sockets.pokeAll(s.visit)
	return encode(answer)
}

// takeReceipt moves the statuses of messages that reached the browser.
func (s *socket) takeReceipt(ctx context.Context, f frame, to model.Status) []byte {
	var r receipt
	if json.Unmarshal(f.data, &r) != nil || len(r.IDs) == 0 || len(r.IDs) > maxReceipts {
		return never(f, nackMalformed, "A receipt names 1 to 100 messages.")
	}
	conv, err := s.conversation(ctx)
	if err != nil {
		return again(f)
	}
	for _, id := range r.IDs {
		place, ok := id.Place()
		if !ok || conv == "" || place.Conversation != conv || place.Direction != model.Outbound {
			continue // not the visitor's: answered like one that is not there (I8)
		}
		err := s.chat.opts.Outbound.Report(ctx, s.account, pluginhost.StatusReport{
			AccountID: s.account.ID, Status: to, MessageID: id, OccurredAt: f.at,
		})
		if err != nil && !model.Is(err, model.NotFound) {
			s.chat.log.Warn("a receipt could not be committed", telemetry.FieldAccount, s.account.ID, "error", err)
			return again(f)
		}
	}
	return taken(f)
}
