package outbound

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// maxFiles is how many files one message takes, whatever the channel does.
const maxFiles = 32

// judgeFiles checks the attachments of a request: that there are some where
// the content stands for them, that they are the client's and free, and that
// account and channel take them.
func (o *Outbound) judgeFiles(ctx context.Context, client *store.Client, r Request, t *target, v *verdict) error {
	stands := r.Content.Type == model.ContentMedia
	switch {
	case len(r.Attach) == 0 && stands:
		v.fault("attachments", "content of type %q stands for attachments: upload a file and name it here", model.ContentMedia)
		return nil
	case len(r.Attach) == 0:
		return nil
	case !stands:
		v.fault("content.type", "a message with attachments has content of type %q; its text is the caption", model.ContentMedia)
		return nil
	case o.Files == nil:
		v.fault("attachments", "this hub takes no attachments")
		return nil
	}
	most := maxFiles
	if n := t.descriptor.Limits.MaxAttachments; t.known && n > 0 {
		most = min(most, n)
	}
	if len(r.Attach) > most {
		v.fault("attachments", "there are %d files; this channel takes %d with one message", len(r.Attach), most)
		return nil
	}
	seen := map[model.AttachmentID]bool{}
	for _, id := range r.Attach {
		if seen[id] {
			v.fault("attachments", "%s is named twice", id)
		}
		seen[id] = true
		if err := o.judgeFile(ctx, client, id, r.taker, t, v); err != nil {
			return err
		}
	}
	return nil
}

func (o *Outbound) judgeFile(ctx context.Context, client *store.Client, id model.AttachmentID, taker model.MessageID, t *target, v *verdict) error {
	if !id.Valid() {
		v.fault("attachments", "one of them is no id of an attachment")
		return nil
	}
	a, err := client.Attachment(ctx, id)
	if err != nil && !model.Is(err, model.NotFound) {
		return err
	}
	rules := o.Files.RulesOf(t.account)
	switch {
	case err != nil, a.Gone(o.Now()), a.Owner != (model.Random16{}):
		// A visitor's upload is answered like one that is not there.
		v.fault("attachments", "there is no attachment %s; it may be past its end", id)
	case a.Message != "" && a.Message != taker:
		v.taken++
		v.fault("attachments", "%s belongs to another message; upload the file again", id)
	case a.State == model.AttachmentPending:
		v.fault("attachments", "%s is still being scanned; send the message when it is ready", id)
	case a.State != model.AttachmentReady:
		v.fault("attachments", "%s was refused", id)
	case a.Size > rules.MaxSize:
		v.fault("attachments", "%s has %d bytes; this account takes %d", id, a.Size, rules.MaxSize)
	case !media.Allows(rules.Allow, a.Mime), t.known && !channelTakes(t.descriptor.Limits.AttachmentTypes, a.Mime):
		v.fault("attachments", "%s is of type %s, which this account does not take", id, a.Mime)
	}
	return nil
}

func channelTakes(types []string, kind string) bool {
	return len(types) == 0 || media.Allows(types, kind)
}

// take makes the files belong to the message, in the message's own words. It is
// done before the message row is written, and may be repeated: the intent has
// fixed the message's id.
func (o *Outbound) take(ctx context.Context, client *store.Client, r Request, msg *store.Outbound) error {
	for _, id := range r.Attach {
		a, err := o.Files.Claim(ctx, client, id, media.Taking{
			Account: msg.Account, Conversation: msg.Conversation, Message: msg.ID(), SealKey: msg.SealKey,
		})
		if model.Is(err, model.NotFound) {
			return &model.Error{Code: model.Invalid, Op: "take attachment", Detail: "an attachment is past its end", Faults: []model.Fault{{Field: "attachments", Detail: "upload the file again"}}}
		}
		if err != nil {
			return err
		}
		failpoint.Hit("outbound.after_take")
		msg.Message.Attachments = append(msg.Message.Attachments, a.View(o.Now()))
		msg.ExpireAfter = soonest(msg.ExpireAfter, a.Ends)
	}
	return nil
}

func soonest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
