package chat

import (
	"context"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// mostUnsettled bounds the messages that a socket looks after: further ones
// show how their files stand with the next visit.
const mostUnsettled = 100

// asItStands returns the message with its files as they stand now.
func (v *view) asItStands(ctx context.Context, m *model.Message, told time.Time) (*model.Message, error) {
	if len(m.Attachments) == 0 || v.chat.opts.Files == nil {
		return m, nil
	}
	var err error
	m.Attachments, err = v.chat.opts.Files.States(ctx, v.client, m.Attachments, told)
	return m, err
}

// note remembers a message that was shown while some of its files were still
// to be looked at.
func (v *view) note(m *model.Message) {
	if m == nil || v.chat.opts.Files == nil {
		return
	}
	if !slices.ContainsFunc(m.Attachments, func(a model.Attachment) bool { return a.State == model.AttachmentPending }) {
		delete(v.unsettled, m.ID)
		return
	}
	if v.unsettled == nil {
		v.unsettled = map[model.MessageID]*model.Message{}
	}
	if _, known := v.unsettled[m.ID]; known || len(v.unsettled) < mostUnsettled {
		v.unsettled[m.ID] = m
	}
}

// settle shows messages again whose files have moved on: the same id takes the
// place of the first.
func (v *view) settle(ctx context.Context) error {
	for _, m := range v.unsettled {
		now := *m
		if _, err := v.asItStands(ctx, &now, m.CreatedAt.Time); err != nil {
			return err
		}
		same := func(a, b model.Attachment) bool { return a.State == b.State }
		if slices.EqualFunc(m.Attachments, now.Attachments, same) {
			continue
		}
		frames, err := v.renderItems(ctx, []pluginhost.RenderItem{{Message: &now}})
		if err != nil {
			return err
		}
		if len(frames[0]) > 0 {
			v.send(ctx, bundle("", frames))
		}
		v.note(&now)
	}
	return nil
}
