// Package media takes files and hands them out: it judges what they are, keeps
// their bytes where configuration says, has them scanned, fetches those that
// customers send from their channels, and removes them at their end.
//
// The order of a file's life: the due row, which will remove whatever follows
// (Sweep); the bytes, under a random key; the row. So nothing is kept that
// nobody removes, and a row never names bytes that are not whole.
package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// DueKind is the kind of due rows that remove files.
const DueKind = retention.AttachmentKind

const (
	// DefaultMaxSize is the largest file where neither the account nor its
	// channel says so.
	DefaultMaxSize = 25 << 20
	// imageSlots is how many images are in memory at one time.
	imageSlots = 2
	// scanWithin bounds the wait of an upload for its scan; behind it the file
	// is pending, and the workers go on.
	scanWithin = 10 * time.Second
)

// Connectors is the plugin host as this room uses it.
type Connectors interface {
	Describe(id model.PluginID) (pluginhost.Descriptor, bool)
	FetchAttachment(ctx context.Context, id model.PluginID, r pluginhost.FetchRequest) (model.Attachment, io.ReadCloser, error)
}

// Options for New.
type Options struct {
	Store      *store.Store
	Blobs      *blob.Store
	Accounts   *accounts.Registry
	Connectors Connectors
	// SealAlways has the hub seal bytes that the store encrypts itself.
	SealAlways bool
	// PassImages keeps images as they came; otherwise they are made anew,
	// without what is no picture.
	PassImages bool
	// Clamd is the address of a scanner. Empty: no file is scanned.
	Clamd string
	// ExternalURL is the base URL that links begin with.
	ExternalURL func() string
	Logger      hclog.Logger     // nil: none
	Now         func() time.Time // nil: time.Now
	// Committed is told of a conversation whose files changed. Nil: nobody.
	Committed func(client model.ClientID, conv model.ConversationID)
}

// Media is safe for concurrent use.
type Media struct {
	o       Options
	scanner *clamd // nil: none
	images  chan struct{}
	places  map[model.ClientID]*place // Pass's own
}

// New returns a Media; Run must be running for files to be fetched.
func New(o Options) (*Media, error) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ExternalURL == nil {
		o.ExternalURL = func() string { return "" }
	}
	scanner, err := parseClamd(o.Clamd)
	return &Media{o: o, scanner: scanner, images: make(chan struct{}, imageSlots), places: map[model.ClientID]*place{}}, err
}

// Rules are what a file has to keep to.
type Rules struct {
	MaxSize int64
	Allow   []string // patterns of types; empty: all that the hub takes
}

// RulesOf are the rules of an account: its own, and those of its channel.
func (m *Media) RulesOf(acct accounts.Account) Rules {
	r := Rules{MaxSize: DefaultMaxSize, Allow: acct.Attachments.Allow}
	limits := pluginhost.Limits{}
	if d, ok := m.o.Connectors.Describe(acct.Plugin); ok {
		limits = d.Limits
	}
	switch own, channel := acct.Attachments.MaxSize, limits.MaxAttachmentBytes; {
	case own > 0 && channel > 0:
		r.MaxSize = min(own, channel)
	case own > 0 || channel > 0:
		r.MaxSize = max(own, channel)
	}
	return r
}

// MaxUpload is the largest file that any account of a client takes.
func (m *Media) MaxUpload(client model.ClientID) int64 {
	size := int64(0)
	for _, acct := range m.o.Accounts.Accounts(client) {
		size = max(size, m.RulesOf(acct).MaxSize)
	}
	if size == 0 {
		return DefaultMaxSize
	}
	return size
}

// File is a file on its way in.
type File struct {
	ID      model.AttachmentID // empty: a new one
	Name    string
	Kind    model.AttachmentKind // as its channel says
	Account model.AccountID      // empty: no account's yet
	Owner   model.Random16       // a visitor, or zero
	SealKey seal.KeyID           // empty: until a message takes it
	// Conversation, Message and Tail belong to a file that a message brought.
	Conversation model.ConversationID
	Message      model.MessageID
	Tail         uint64
	Ends         time.Time // zero: by retention, from now
	TakeBy       time.Time // it ends then unless a message has taken it; zero: at Ends
	Rules        Rules
	Body         io.Reader
}

// Refused is the error of a file that is not taken: model.Invalid or
// model.TooLarge, with a reason.
func refused(code model.Code, reason, detail string) error {
	return &model.Error{Code: code, Op: "take attachment", Detail: detail, Faults: []model.Fault{{Field: reason, Detail: detail}}}
}

// reasonOf returns why a file was refused; empty when it was not.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*model.Error](err); ok && len(e.Faults) == 1 && (e.Code == model.Invalid || e.Code == model.TooLarge) {
		return e.Faults[0].Field
	}
	return ""
}

// Take keeps a file: when it returns, the file is durable. It reads the body
// once, to its end, and holds at most one part of it in memory, an image whole.
func (m *Media) Take(ctx context.Context, client *store.Client, f File) (store.Attachment, error) {
	head := make([]byte, sniffBytes)
	limited := &limitedReader{r: f.Body, left: f.Rules.MaxSize}
	n, err := io.ReadFull(limited, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return store.Attachment{}, err
	}
	if n == 0 {
		return store.Attachment{}, refused(model.Invalid, reasonEmpty, "The file is empty: it has no byte.")
	}
	head = head[:n]
	t, ok := sniff(head)
	switch {
	case !ok:
		return store.Attachment{}, refused(model.Invalid, reasonType, "Files of this type are not taken.")
	case !Allows(f.Rules.Allow, t.mime):
		return store.Attachment{}, refused(model.Invalid, reasonAllow, "This account does not take files of type "+t.mime+".")
	}
	body := io.MultiReader(bytes.NewReader(head), limited)
	if t.kind == model.Image {
		leave, err := m.image(ctx)
		if err != nil {
			return store.Attachment{}, err
		}
		defer leave()
		made, body, err := m.picture(t, body, f.Rules.MaxSize)
		if err != nil {
			return store.Attachment{}, err
		}
		if made.mime != t.mime {
			f.Name = renamed(f.Name, t)
		}
		return m.keep(ctx, client, f, made, body)
	}
	return m.keep(ctx, client, f, t, body)
}

func (m *Media) image(ctx context.Context) (leave func(), err error) {
	select {
	case m.images <- struct{}{}:
		return func() { <-m.images }, nil
	case <-ctx.Done():
		return nil, model.Wrap(model.Unavailable, "take attachment", ctx.Err())
	}
}

// picture reads an image whole and makes it anew, if that is the policy. It
// returns what type it is then; the size is limited before and behind.
func (m *Media) picture(t fileType, body io.Reader, size int64) (fileType, io.Reader, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return t, nil, err
	}
	err = measure(t.mime, b, m.o.PassImages)
	if err == nil && !m.o.PassImages {
		var as string
		as, b, err = renew(t.mime, b)
		t = renewedAs(t, as)
	}
	switch {
	case errors.Is(err, errForm):
		return t, nil, refused(model.Invalid, reasonForm, "Images of this form cannot be freed of what is no picture: send a JPEG or PNG.")
	case errors.Is(err, errImage):
		return t, nil, refused(model.Invalid, reasonImage, "The image does not open, or is too large.")
	case err == nil && int64(len(b)) > size:
		return t, nil, refused(model.TooLarge, reasonSize, "The image is larger than allowed once it is made anew without what is no picture: send it smaller, or as a JPEG.")
	}
	return t, bytes.NewReader(b), err
}

// keep writes the due row, the bytes and the row, and has the bytes scanned.
func (m *Media) keep(ctx context.Context, client *store.Client, f File, t fileType, body io.Reader) (store.Attachment, error) {
	now := m.o.Now()
	a := store.Attachment{
		ID: f.ID, Account: f.Account, Owner: f.Owner, Conversation: f.Conversation, Message: f.Message, SealKey: f.SealKey,
		State: model.AttachmentReady, Changed: now, Ends: f.Ends, TakeBy: f.TakeBy.Truncate(time.Millisecond), Blob: string(blob.NewKey()),
		Hub:  m.o.SealAlways || !m.o.Blobs.Traits().Encrypts,
		Name: nameFor(f.Name, t), Kind: kindFor(f.Kind, t), Mime: t.mime,
	}
	if a.ID == "" {
		a.ID = model.NewAttachmentID()
	}
	if a.Message != "" {
		a.Seq, a.Tail = 1, f.Tail
	}
	if a.Ends.IsZero() {
		a.Ends = now.Add(m.retention(client.ID).Attachments)
	}
	a.Ends = a.Ends.Truncate(time.Millisecond)
	due := store.Due{ID: a.Blob, Kind: DueKind, Ref: string(a.ID), At: a.Ends}
	if err := client.PutDue(ctx, due); err != nil {
		return store.Attachment{}, err
	}
	if err := m.untakenDue(ctx, client, a); err != nil {
		return store.Attachment{}, err
	}
	failpoint.Hit("media.after_due")
	if err := m.write(ctx, client.ID, &a, body); err != nil {
		m.forget(ctx, client, a, due)
		return store.Attachment{}, err
	}
	failpoint.Hit("media.after_blob")
	if m.scanner != nil {
		a.State = model.AttachmentPending
		if a.Message != "" {
			a.Seq = 0 // pending is no change
		}
		if err := client.PutMediaTask(ctx, store.MediaTask{ID: a.ID, Next: now, Ends: a.Ends}, false); err != nil {
			return store.Attachment{}, err
		}
	}
	kept, ok, err := client.PutAttachment(ctx, a)
	if err != nil {
		return store.Attachment{}, err
	}
	failpoint.Hit("media.after_row")
	if !ok {
		// Another worker was faster: its bytes count.
		m.forget(ctx, client, a, due)
		return kept, nil
	}
	if m.scanner != nil {
		kept = m.scanSoon(ctx, client, kept)
	}
	return kept, nil
}

// write puts the bytes, sealed or not, and notes what they were.
func (m *Media) write(ctx context.Context, client model.ClientID, a *store.Attachment, body io.Reader) error {
	sum := sha256.New()
	counted := &countingReader{r: io.TeeReader(body, sum)}
	put := io.Reader(counted)
	if a.Hub {
		a.Key = seal.NewStreamKey()
		sealed, err := a.Key.Seal(a.Place(client), counted)
		if err != nil {
			return err
		}
		defer func() { _ = sealed.Close() }() // ends the sealing, if it has not ended
		put = sealed
	}
	if _, err := m.o.Blobs.For(client).Put(ctx, blob.Key(a.Blob), a.Ends, put); err != nil {
		if counted.err != nil {
			return counted.err // the body's own, with its code
		}
		return outage(err)
	}
	a.SHA256, a.Size = hex.EncodeToString(sum.Sum(nil)), counted.n
	return nil
}

// outage tells of a store of bytes that refuses the hub as of one that is away:
// nobody who asks for a file is to blame for that, and the operator can mend
// it. The store's own code stays in the chain.
func outage(err error) error {
	if !model.Is(err, model.Denied) {
		return err
	}
	return &model.Error{Code: model.Unavailable, Op: "reach the store of files", Detail: "it refuses the hub's own role", Err: err}
}

// forgetWithin is what somebody who waits for an answer is kept for by it.
const forgetWithin = time.Second

// forget removes what a file that was not kept has left. What it cannot remove
// at once goes at its end.
func (m *Media) forget(ctx context.Context, client *store.Client, a store.Attachment, due store.Due) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetWithin)
	defer cancel()
	err := m.o.Blobs.For(client.ID).Discard(ctx, blob.Key(due.ID))
	if err == nil {
		err = client.DoneDue(ctx, due)
	}
	if err == nil && !a.TakeBy.IsZero() {
		err = client.DoneDue(ctx, dueUntaken(a))
	}
	if err != nil {
		m.o.Logger.Warn("a file that was not taken is removed at its end only", telemetry.FieldClient, client.ID, telemetry.FieldError, err)
	}
}

// Remove removes a file for good: its bytes, then its row. It is the sweeper's
// deleter for what is due of DueKind, and may be repeated.
func (m *Media) Remove(ctx context.Context, client *store.Client, d store.Due) error {
	if err := m.o.Blobs.For(client.ID).Discard(ctx, blob.Key(d.ID)); err != nil {
		return err
	}
	failpoint.Hit("media.after_discard")
	return client.RemoveAttachment(ctx, model.AttachmentID(d.Ref))
}

func (m *Media) retention(id model.ClientID) model.Retention {
	c, _ := m.o.Accounts.Client(id)
	return c.Retention
}

// limitedReader fails once it has read more than it may.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, refused(model.TooLarge, reasonSize, "The file is larger than allowed.")
	}
	return n, err
}

// countingReader knows how much was read, and how the reading ended.
type countingReader struct {
	r   io.Reader
	n   int64
	err error // other than io.EOF
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}
