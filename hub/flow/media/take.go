package media

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/store"
)

// Taking says which message takes a file.
type Taking struct {
	Account      model.AccountID
	Conversation model.ConversationID
	Message      model.MessageID
	SealKey      seal.KeyID
	// Told is how the message tells that the file stands. A file that has moved
	// on since counts the change, for the feed.
	Told model.AttachmentState
}

// Claim makes a file belong to a message, and to the message's contact: from
// then on it opens under the contact's key alone. A repeat by the same message
// changes nothing; a file that another has is model.Conflicting.
func (m *Media) Claim(ctx context.Context, client *store.Client, id model.AttachmentID, by Taking) (store.Attachment, error) {
	const op = "take attachment"
	a, err := client.Attachment(ctx, id)
	for range maxConflicts {
		switch {
		case err != nil:
			return a, err
		case a.Gone(m.o.Now()):
			return a, model.Errorf(model.NotFound, op, "the attachment is past its retention")
		case a.Message == by.Message:
			return a, nil
		case a.Message != "":
			return a, &model.Error{
				Code: model.Conflicting, Op: op, Detail: "Another message has taken this attachment: upload the file again.",
				Faults: []model.Fault{{Field: "attachments", Detail: string(id) + " belongs to another message"}},
			}
		}
		a.Account, a.Conversation, a.Message, a.SealKey = by.Account, by.Conversation, by.Message, by.SealKey
		if by.Told == model.AttachmentPending && a.State != model.AttachmentPending {
			a.Seq, a.Changed = 1, m.o.Now()
			if a.Tail, err = client.Feed(by.Conversation).Tail(ctx); err != nil {
				return a, err
			}
		}
		var ok bool
		if a, ok, err = client.PutAttachment(ctx, a); err == nil && ok {
			return a, nil
		}
	}
	return a, model.Errorf(model.Unavailable, op, "the attachment keeps changing")
}

// maxConflicts bounds how often a row is tried that others change.
const maxConflicts = 10

// Adopt finds the files that a visitor sent ahead of a message: those of the
// account and of this visitor alone (I8). A file that is not theirs, or is gone,
// is shown as refused, under an id of its own. From here on the files are kept
// for the message, whose commit follows.
func (m *Media) Adopt(ctx context.Context, client *store.Client, account model.AccountID, visitor model.Address, files []model.Attachment) ([]model.Attachment, error) {
	owner, err := client.AttachmentOwner(ctx, account, visitor)
	if err != nil {
		return nil, err
	}
	out := make([]model.Attachment, len(files))
	for i, f := range files {
		out[i] = f
		if f.ID == "" {
			continue
		}
		a, err := client.Attachment(ctx, f.ID)
		theirs := err == nil && a.Account == account && seal.SameMAC(a.Owner, owner) && a.State != model.AttachmentRefused
		if theirs {
			a, err = m.hold(ctx, client, a)
		}
		switch {
		case err != nil && !model.Is(err, model.NotFound):
			return nil, err
		case err != nil, !theirs:
			out[i] = model.Attachment{ID: model.NewAttachmentID(), Name: f.Name, Kind: model.File, State: model.AttachmentRefused}
		default:
			out[i] = a.View(m.o.Now())
		}
	}
	return out, nil
}
