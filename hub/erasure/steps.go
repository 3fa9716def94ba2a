package erasure

import (
	"context"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// one takes an erasure as far as it goes now.
func (e *Eraser) one(ctx context.Context, order store.Erasure) (wait time.Duration, err error) {
	known, err := e.o.Store.Known(ctx)
	if err != nil {
		return 0, err
	}
	if _, ok := known.Client(order.Client); !ok {
		// The whole client went meanwhile, with all its keys.
		if order.Unreadable.IsZero() {
			order.Unreadable = e.o.Now()
		}
		return 0, e.end(ctx, order)
	}
	removals, err := e.o.Store.Removals(ctx)
	if err != nil {
		return 0, err
	}
	if slices.ContainsFunc(removals, func(m store.Removal) bool {
		return m.Client == order.Client && m.Account == "" && m.Step != store.RemovalDone
	}) {
		return retry, nil
	}
	client, err := e.o.Store.Client(ctx, order.Client)
	if err != nil {
		return 0, err
	}
	j := &job{Eraser: e, order: order, client: client, accounts: known.Of(order.Client)}
	if order.Step == store.ErasureBegun {
		if err := j.seal(ctx); err != nil {
			return 0, err
		}
	}
	if left := j.order.Unreadable.Add(e.o.Grace).Sub(e.o.Now()); left > 0 {
		return left, nil
	}
	return 0, j.clear(ctx)
}

// job is one erasure at work. It belongs to one goroutine.
type job struct {
	*Eraser
	order    store.Erasure
	client   *store.Client
	accounts []model.AccountID // all that the client has or had
}

// seal ends all ways to the contact and destroys its key. It may be repeated
// from anywhere.
func (j *job) seal(ctx context.Context) error {
	erased, err := j.client.MarkErased(ctx, j.order.Contact, j.accounts, j.order.Via)
	if err != nil {
		return err
	}
	if err := j.addresses(ctx, erased); err != nil {
		return err
	}
	j.order.Conversations = nil
	for _, account := range erased.Accounts {
		conv, err := j.client.EraseConversation(ctx, erased, account)
		if err != nil {
			return err
		}
		j.order.Conversations = append(j.order.Conversations, store.ErasedConversation{Account: account, ID: conv})
		failpoint.Hit("erasure.after_promise")
	}
	for _, conv := range j.order.Conversations {
		if err := j.messages(ctx, conv.ID); err != nil {
			return err
		}
	}
	if err := j.client.DestroyContactKey(ctx, erased); err != nil {
		return err
	}
	failpoint.Hit("erasure.after_key")
	j.order.Step, j.order.Unreadable = store.ErasureWaiting, j.o.Now()
	if j.order, err = j.o.Store.PutErasure(ctx, j.order); err != nil {
		return err
	}
	failpoint.Hit("erasure.after_waiting")
	for _, conv := range j.order.Conversations {
		j.o.Changed(j.order.Client, conv.ID)
	}
	return nil
}

func (j *job) addresses(ctx context.Context, erased store.Erased) error {
	n, err := j.client.DropAddresses(ctx, erased)
	j.order.Removed.Addresses += n
	failpoint.Hit("erasure.after_addresses")
	return err
}

// messages ends what is on its way in a conversation, and what leads to its
// messages.
func (j *job) messages(ctx context.Context, conv model.ConversationID) error {
	return j.client.EachOutbound(ctx, conv, func(msg store.Outbound) error {
		if err := j.o.Discard(ctx, j.client, msg); err != nil {
			return err
		}
		failpoint.Hit("erasure.after_discard")
		return j.client.DropWaysTo(ctx, msg, &j.order.Removed)
	})
}

// clear removes what nobody can read any more. It may be repeated from
// anywhere: what is found by something goes before it.
func (j *job) clear(ctx context.Context) error {
	erased, err := j.client.MarkErased(ctx, j.order.Contact, j.accounts, j.order.Via)
	if err != nil {
		return err
	}
	if err := j.files(ctx, erased); err != nil {
		return err
	}
	if err := j.letters(ctx, erased); err != nil {
		return err
	}
	for _, conv := range j.order.Conversations {
		if err := j.o.Store.DropActive(ctx, j.order.Client, conv.ID); err != nil {
			return err
		}
		if err := j.client.DropConversation(ctx, j.order.Contact, conv.Account, conv.ID, &j.order.Removed); err != nil {
			return err
		}
	}
	// Once more: what was under way may have made some of it again.
	if err := j.addresses(ctx, erased); err != nil {
		return err
	}
	if err := j.client.DestroyContactKey(ctx, erased); err != nil {
		return err
	}
	j.order.Journals = j.o.Undrained(erased.Accounts)
	if err := j.client.EndErased(ctx, erased); err != nil {
		return err
	}
	failpoint.Hit("erasure.after_rows")
	return j.end(ctx, j.order)
}

// end writes the receipt.
func (e *Eraser) end(ctx context.Context, order store.Erasure) error {
	order.Removed.Contacts, order.Via = 1, model.Random16{}
	order.Step, order.Done = store.ErasureDone, e.o.Now()
	order.Expires = order.Done.Add(e.o.Keep())
	err := e.o.Store.EndErasure(ctx, order, store.Act{
		Actor: order.By, Role: "erasure", Action: Action, Subject: order.Subject(), Outcome: "done",
	})
	if err == nil {
		e.o.Metrics.OrderDone(Action)
	}
	return err
}

func (j *job) has(conv model.ConversationID) bool {
	return conv != "" && slices.ContainsFunc(j.order.Conversations, func(c store.ErasedConversation) bool { return c.ID == conv })
}

// files removes the files of the contact's conversations, those that its
// visitors sent ahead, and the work that is left on them, with all notes of
// what is due.
func (j *job) files(ctx context.Context, erased store.Erased) error {
	err := j.client.EachDue(ctx, func(d store.Due) error {
		if j.has(model.ConversationID(d.Ref)) {
			return j.client.DoneDue(ctx, d) // what it names goes with the conversation
		}
		file := model.AttachmentID(d.Ref)
		if d.Kind != j.o.FileKind {
			file = model.AttachmentID(d.ID) // of one that may go earlier
		}
		a, err := j.client.Attachment(ctx, file)
		if model.Is(err, model.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !j.has(a.Conversation) && !erased.Owns(a.Owner) {
			return nil
		}
		if d.Kind != j.o.FileKind {
			return j.client.DoneDue(ctx, d)
		}
		if err := j.o.RemoveFile(ctx, j.client, d); err != nil && !model.Is(err, model.NotFound) {
			return err
		}
		failpoint.Hit("erasure.after_file")
		j.order.Removed.Attachments++
		return j.client.DoneDue(ctx, d)
	})
	if err != nil {
		return err
	}
	for after, more := model.AttachmentID(""), true; more; {
		var tasks []store.MediaTask
		if tasks, more, err = j.client.MediaTasks(ctx, after, page); err != nil {
			return err
		}
		for _, t := range tasks {
			after = t.ID
			if j.has(t.Conversation) {
				if err := j.client.DoneMediaTask(ctx, t.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// letters removes the dead letters of the contact's messages.
func (j *job) letters(ctx context.Context, erased store.Erased) error {
	var conversations []model.ConversationID
	for _, c := range j.order.Conversations {
		conversations = append(conversations, c.ID)
	}
	theirs, unread, ends, err := j.client.LettersOf(ctx, conversations, erased.Accounts)
	if err != nil {
		return err
	}
	for _, d := range theirs {
		if err := j.client.RemoveLetter(ctx, d); err != nil {
			return err
		}
		j.order.Removed.DeadLetters++
	}
	j.order.Letters = store.ErasureRest{Count: unread, Ends: store.Millis(ends)}
	return nil
}
