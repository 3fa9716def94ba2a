package chat

import (
	"context"
	"encoding/json"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// showAll renders the entries and sends them, in bundles, and moves the place
// the browser is at behind each.
func (v *view) showAll(ctx context.Context, conv model.ConversationID, entries []entry) error {
	frames, err := v.render(ctx, entries)
	if err != nil {
		return err
	}
	var pending [][]byte
	size := 0
	for i, e := range entries {
		if len(frames[i]) > 0 {
			pending = append(pending, frames[i])
			size += len(frames[i])
			v.note(e.message)
		}
		if len(pending) > 0 && (i == len(entries)-1 || size+len(frames[i+1]) > bundleBytes) {
			token := ""
			if e.after != nil {
				token = e.after.token(conv)
			}
			v.send(ctx, bundle(token, pending))
			pending, size = nil, 0
		}
		if len(pending) == 0 && e.after != nil {
			v.at = e.after
		}
	}
	return model.Wrap(model.Unavailable, "show conversation", ctx.Err())
}

// render returns one frame for each entry; an empty one is not sent.
func (v *view) render(ctx context.Context, entries []entry) ([][]byte, error) {
	var items []pluginhost.RenderItem
	var index []int
	for i, e := range entries {
		if e.message != nil {
			items, index = append(items, pluginhost.RenderItem{Message: e.message}), append(index, i)
		}
	}
	frames := make([][]byte, len(entries))
	if len(items) == 0 {
		return frames, nil
	}
	rendered, err := v.renderItems(ctx, items)
	if err != nil {
		return nil, err
	}
	for i, f := range rendered {
		frames[index[i]] = f
	}
	return frames, nil
}

// renderItems asks the connector for frames. One item on which it breaks does
// not hide the others: then each is asked for by itself.
func (s *socket) renderItems(ctx context.Context, items []pluginhost.RenderItem) ([][]byte, error) {
	plugins := s.chat.opts.Plugins
	frames, err := plugins.RenderSocket(ctx, s.account.Plugin, s.account.ID, items)
	if err != nil && len(items) > 1 && !model.CodeOf(err).Temporary() {
		frames = make([][]byte, len(items))
		for i := range items {
			one, err := s.renderItems(ctx, items[i:i+1])
			if err != nil {
				return nil, err
			}
			frames[i] = one[0]
		}
		return frames, nil
	}
	switch {
	case err != nil && len(items) == 1 && !model.CodeOf(err).Temporary() && ctx.Err() == nil:
		s.chat.log.Error("a connector could not render a message", telemetry.FieldAccount, s.account.ID, "error", err)
		return make([][]byte, 1), nil
	case err != nil:
		return nil, err
	case len(frames) != len(items):
		return nil, model.Errorf(model.Internal, "render messages", "%d frames for %d items", len(frames), len(items))
	}
	for i, f := range frames {
		if len(f) > 0 && !json.Valid(f) {
			s.chat.log.Error("a connector rendered something that is not JSON", telemetry.FieldAccount, s.account.ID)
			frames[i] = nil
		}
	}
	return frames, nil
}
