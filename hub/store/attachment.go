package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const attachmentSchema = 1

// attachmentKey seals what is known of a file until a message takes it.
var attachmentKey = seal.Class("attachments")

// Attachment is the row of a file. It is there while the bytes are, and not a
// moment longer. An Attachment is a value; its own version guards every change.
type Attachment struct {
	ID model.AttachmentID
	// Account is whose file it is: from the start when it came by a channel,
	// and else from when a message takes it.
	Account model.AccountID
	// Owner is a visitor who sent it ahead of a message, as AttachmentOwner
	// names them; zero for others.
	Owner        model.Random16
	Conversation model.ConversationID // with Message
	Message      model.MessageID      // that took it; empty: none yet
	SealKey      seal.KeyID           // empty: no message has taken it

	State model.AttachmentState // pending, ready or refused
	// Seq counts the changes that the feed tells, and Tail is the feed tail
	// seen before the last of them was written.
	Seq     int
	Tail    uint64
	Changed time.Time

	Ends time.Time // it is hidden from this instant on
	// TakeBy is when it ends if no message has taken it; zero when that is Ends.
	TakeBy time.Time
	Blob   string // key of the bytes; empty: there are none
	// Hub says that the hub has sealed the bytes, under Key.
	Hub bool
	// Erased says that what follows does not open any more.
	Erased bool

	// Sealed from here on.
	Name   string
	Kind   model.AttachmentKind
	Mime   string
	SHA256 string
	Size   int64
	Reason string // why it was refused
	Key    seal.StreamKey

	version table.Version
}

type attachmentHeader struct {
	Account      model.AccountID       `json:"a,omitempty"`
	Owner        []byte                `json:"w,omitempty"`
	Conversation model.ConversationID  `json:"v,omitempty"`
	Message      model.MessageID       `json:"m,omitempty"`
	Key          seal.KeyID            `json:"k,omitempty"`
	State        model.AttachmentState `json:"s"`
	Seq          int                   `json:"q,omitempty"`
	Tail         uint64                `json:"f,omitempty"`
	Changed      Milli                 `json:"c"`
	Ends         Milli                 `json:"e"`
	TakeBy       Milli                 `json:"t,omitempty"`
	Blob         string                `json:"b,omitempty"`
	Hub          bool                  `json:"h,omitempty"`
}

type attachmentBody struct {
	Name   string               `json:"n,omitempty"`
	Kind   model.AttachmentKind `json:"k"`
	Mime   string               `json:"m,omitempty"`
	SHA256 string               `json:"h,omitempty"`
	Size   int64                `json:"s"`
	Reason string               `json:"r,omitempty"`
	Key    []byte               `json:"key,omitempty"`
}

// Place binds the sealed bytes to the client and the key they lie under.
func (a Attachment) Place(client model.ClientID) string {
	return "channelhub.blob\x00" + string(client) + "\x00" + a.Blob
}

// Until is when the file ends, as things stand.
func (a Attachment) Until() time.Time {
	if a.Message == "" && !a.TakeBy.IsZero() && a.TakeBy.Before(a.Ends) {
		return a.TakeBy
	}
	return a.Ends
}

// Gone reports whether the file is past its end (I9), or was erased.
func (a Attachment) Gone(now time.Time) bool { return a.Erased || !now.Before(a.Until()) }

// View is the file as the client application reads it, without a link.
func (a Attachment) View(now time.Time) model.Attachment {
	ends := model.At(a.Until())
	v := model.Attachment{
		ID: a.ID, Name: a.Name, Kind: a.Kind, MimeType: a.Mime, Size: a.Size, SHA256: a.SHA256, State: a.State, ExpiresAt: &ends,
	}
	if a.Gone(now) {
		v.State = model.AttachmentExpired
	}
	return v
}

// Record tells the feed of the last change of a file in a conversation.
func (a Attachment) Record() Record {
	raw, _ := a.ID.Raw()
	return Record{
		Kind: AttachmentRecord, Conversation: a.Conversation, Key: raw, Seq: a.Seq, Type: model.AttachmentUpdated,
		Account: a.Account, New: model.Status(a.State), At: Millis(a.Changed),
	}
}

func attachmentPK(id model.AttachmentID) string { return "a/" + string(id) }

const attachmentSK = "a"

// AttachmentOwner names a visitor in rows of files.
func (c *Client) AttachmentOwner(ctx context.Context, account model.AccountID, visitor model.Address) (model.Random16, error) {
	return c.seal.PRF(ctx, "attachment-owner", string(account), string(visitor.Kind), visitor.Value)
}

// Attachment returns the row of a file, or model.NotFound. What is past its end
// is returned too: Gone tells.
func (c *Client) Attachment(ctx context.Context, id model.AttachmentID) (Attachment, error) {
	if !id.Valid() {
		return Attachment{}, model.Errorf(model.NotFound, "read attachment", "there is no such attachment")
	}
	row, err := c.rows.Get(ctx, attachmentPK(id), attachmentSK)
	if err != nil {
		return Attachment{}, fmt.Errorf("read attachment: %w", err)
	}
	return c.decodeAttachment(ctx, id, row)
}

// PutAttachment writes the row if it still is the version that a was made from,
// or is not there when a is new. When it is not so, ok is false and the row
// that is there comes back; one that was removed meanwhile is model.NotFound.
func (c *Client) PutAttachment(ctx context.Context, a Attachment) (now Attachment, ok bool, err error) {
	key := a.SealKey
	if key == "" {
		key = attachmentKey
		if err := c.seal.CreateKey(ctx, key); err != nil {
			return a, false, err
		}
	}
	h := attachmentHeader{
		Account: a.Account, Conversation: a.Conversation, Message: a.Message, Key: a.SealKey, State: a.State,
		Seq: a.Seq, Tail: a.Tail, Changed: Millis(a.Changed), Ends: Millis(a.Ends), TakeBy: Millis(a.TakeBy), Blob: a.Blob, Hub: a.Hub,
	}
	if a.Owner != (model.Random16{}) {
		h.Owner = a.Owner[:]
	}
	value, err := c.encode(ctx, attachmentPK(a.ID), attachmentSK, attachmentSchema, key, h,
		attachmentBody{Name: a.Name, Kind: a.Kind, Mime: a.Mime, SHA256: a.SHA256, Size: a.Size, Reason: a.Reason, Key: a.Key})
	if err != nil {
		return a, false, fmt.Errorf("write attachment: %w", err)
	}
	op := table.Put(attachmentPK(a.ID), attachmentSK, value).IfVersion(a.version).ExpireAt(a.Ends)
	if a.version == (table.Version{}) {
		op = table.Put(attachmentPK(a.ID), attachmentSK, value).IfAbsent().ExpireAt(a.Ends)
	}
	version, err := c.rows.Commit(ctx, op)
	if err == nil {
		a.version = version
		return a, true, nil
	}
	found, conflict := conflictOf(err)
	switch {
	case !conflict:
		return a, false, fmt.Errorf("write attachment: %w", err)
	case found == nil:
		return a, false, model.Errorf(model.NotFound, "write attachment", "the attachment is past its retention")
	}
	now, err = c.decodeAttachment(ctx, a.ID, *found)
	return now, false, err
}

// RemoveAttachment deletes the row; that there is none is no error.
func (c *Client) RemoveAttachment(ctx context.Context, id model.AttachmentID) error {
	if _, err := c.rows.Commit(ctx, table.Delete(attachmentPK(id), attachmentSK)); err != nil {
		return fmt.Errorf("delete attachment: %w", err)
	}
	return nil
}

// RemoveUntaken deletes the row of a file that is past its time to be taken. It
// reports false when a message has taken it, or will: then it stays.
func (c *Client) RemoveUntaken(ctx context.Context, id model.AttachmentID) (removed bool, err error) {
	const op = "delete untaken attachment"
	for {
		row, err := c.rows.Get(ctx, attachmentPK(id), attachmentSK)
		if model.Is(err, model.NotFound) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", op, err)
		}
		var h attachmentHeader
		if _, err := decodeHeader(row.Value, attachmentSchema, &h); err != nil {
			return false, fmt.Errorf("%s: %w", op, err)
		}
		if h.Message != "" || h.TakeBy == 0 {
			return false, nil
		}
		// Under its version: whoever takes it meanwhile is not overtaken.
		_, err = c.rows.Commit(ctx, table.Delete(attachmentPK(id), attachmentSK).IfVersion(row.Version))
		if err == nil {
			return true, nil
		}
		if _, conflict := conflictOf(err); !conflict {
			return false, fmt.Errorf("%s: %w", op, err)
		}
	}
}

func (c *Client) decodeAttachment(ctx context.Context, id model.AttachmentID, row table.Row) (Attachment, error) {
	var h attachmentHeader
	sealed, err := decodeHeader(row.Value, attachmentSchema, &h)
	if err != nil {
		return Attachment{}, fmt.Errorf("read attachment: %w", err)
	}
	a := Attachment{
		ID: id, Account: h.Account, Conversation: h.Conversation, Message: h.Message, SealKey: h.Key, State: h.State,
		Seq: h.Seq, Tail: h.Tail, Changed: h.Changed.Time(), Ends: h.Ends.Time(), TakeBy: h.TakeBy.Time(), Blob: h.Blob, Hub: h.Hub, version: row.Version,
	}
	if len(h.Owner) == 16 {
		a.Owner = model.Random16(h.Owner)
	}
	key := h.Key
	if key == "" {
		key = attachmentKey
	}
	row.PK, row.SK = attachmentPK(id), attachmentSK
	var b attachmentBody
	err = c.openBody(ctx, row, attachmentSchema, key, sealed, &b)
	if model.Is(err, model.NotFound) {
		a.Erased = true
		return a, nil
	}
	if err != nil {
		return Attachment{}, fmt.Errorf("read attachment: %w", err)
	}
	a.Name, a.Kind, a.Mime, a.SHA256, a.Size, a.Reason, a.Key = b.Name, b.Kind, b.Mime, b.SHA256, b.Size, b.Reason, b.Key
	return a, nil
}

// MediaTask is work on a file that is still to be done: to fetch it from its
// channel, or to have it scanned. It is there until the work is.
type MediaTask struct {
	ID    model.AttachmentID
	Fetch bool // otherwise: scan
	// Conversation, Event and Index say where a file to fetch is told of.
	Conversation model.ConversationID
	Event        model.Random16
	Index        int
	Attempts     int
	Next         time.Time // not before
	Ends         time.Time // the work is given up then
}

type mediaTaskHeader struct {
	Fetch        bool                 `json:"f,omitempty"`
	Conversation model.ConversationID `json:"v,omitempty"`
	Event        []byte               `json:"i,omitempty"`
	Index        int                  `json:"x,omitempty"`
	Attempts     int                  `json:"n,omitempty"`
	Next         Milli                `json:"t"`
	Ends         Milli                `json:"e"`
}

const (
	mediaPK         = "media"
	mediaTaskSchema = 1
)

// PutMediaTask writes the task. With fresh, one that is there already stays as
// it is.
func (c *Client) PutMediaTask(ctx context.Context, t MediaTask, fresh bool) error {
	value, err := encodePlain(mediaTaskSchema, mediaTaskHeader{
		Fetch: t.Fetch, Conversation: t.Conversation, Event: t.Event[:], Index: t.Index,
		Attempts: t.Attempts, Next: Millis(t.Next), Ends: Millis(t.Ends),
	})
	if err != nil {
		return err
	}
	if fresh {
		_, _, err = putOrFound(ctx, c.rows, mediaPK, string(t.ID), value, time.Time{})
	} else {
		_, err = c.rows.Commit(ctx, table.Put(mediaPK, string(t.ID), value))
	}
	if err != nil {
		return fmt.Errorf("write media task: %w", err)
	}
	return nil
}

// DoneMediaTask deletes a task; that there is none is no error.
func (c *Client) DoneMediaTask(ctx context.Context, id model.AttachmentID) error {
	if _, err := c.rows.Commit(ctx, table.Delete(mediaPK, string(id))); err != nil {
		return fmt.Errorf("delete media task: %w", err)
	}
	return nil
}

// MediaTasks returns at most limit tasks behind one, and whether there are
// more.
func (c *Client) MediaTasks(ctx context.Context, after model.AttachmentID, limit int) (tasks []MediaTask, more bool, err error) {
	page, err := c.rows.Query(ctx, table.Query{PK: mediaPK, After: string(after), Limit: limit})
	if err != nil {
		return nil, false, fmt.Errorf("read media tasks: %w", err)
	}
	for _, row := range page.Rows {
		var h mediaTaskHeader
		if _, err := decodeHeader(row.Value, mediaTaskSchema, &h); err != nil {
			return nil, false, fmt.Errorf("read media task: %w", err)
		}
		if len(h.Event) != 16 || !strings.HasPrefix(row.SK, "att_") {
			return nil, false, model.Errorf(model.Corrupt, "read media task", "the row is not whole")
		}
		tasks = append(tasks, MediaTask{
			ID: model.AttachmentID(row.SK), Fetch: h.Fetch, Conversation: h.Conversation, Event: model.Random16(h.Event),
			Index: h.Index, Attempts: h.Attempts, Next: h.Next.Time(), Ends: h.Ends.Time(),
		})
	}
	return tasks, page.More, nil
}
