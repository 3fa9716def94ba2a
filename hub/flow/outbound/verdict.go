package outbound

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// Limits of every message, whatever the channel takes.
const (
	maxContext    = 16 << 10 // bytes
	defaultExpire = 24 * time.Hour
	maxExpire     = 7 * 24 * time.Hour
	minExpire     = time.Second
)

// Request is what a client application wants said.
type Request struct {
	Account   model.AccountID
	Contact   model.ContactID // this, or
	Address   model.Address   // this; the kind may be empty
	Content   model.Content
	ReplyTo   *model.Reference
	Context   model.Context
	Author    model.Author // empty: csr
	Expire    time.Duration
	TraceID   string
	Attach    []model.AttachmentID
	HasExpire bool

	taker model.MessageID // an earlier call's message, whose files these may be
}

// target is where a request goes, once it is found to be sound.
type target struct {
	account    accounts.Account
	descriptor pluginhost.Descriptor
	known      bool // the descriptor is known
	directory  store.Directory
	to         []model.Address
	introduce  bool // the address was never in touch: it is met when sending
	expire     time.Duration
}

// socket reports whether committing the message to the conversation is the
// send: a browser picks it up.
func (t target) socket() bool { return t.known && t.descriptor.Can.RenderSocket }

// judge checks a request against the account, the channel's limits, consent
// and the window: all faults at once. It writes nothing. Without an account of
// the client's, what is wrong whatever the account is named all the same.
func (o *Outbound) judge(ctx context.Context, client *store.Client, r Request) (target, error) {
	var t target
	v := verdict{}
	acct, ok := o.Accounts.AccountOf(client.ID, r.Account)
	t.account = acct
	switch {
	case r.Account == "":
		v.fault("account_id", "say which of your accounts sends the message")
	case !ok:
		v.missing = true
		v.fault("account_id", "use the id of one of your accounts; GET /v1/accounts lists them")
	default:
		t.descriptor, t.known = o.Connectors.Describe(acct.Plugin)
		if !acct.Enabled {
			v.fault("account_id", "the account is disabled in configuration")
		}
	}
	t.expire = r.Expire
	if !r.HasExpire {
		t.expire = defaultExpire
	}
	if t.expire < minExpire || t.expire > maxExpire {
		v.fault("expire_after", "give a duration between %s and %s", minExpire, maxExpire)
	}
	if r.ReplyTo != nil && *r.ReplyTo == (model.Reference{}) {
		v.fault("reply_to", "give the id or the provider_id of the message that it answers")
	}
	if len(r.Context) > maxContext {
		v.fault("context", "the context has %d bytes; at most %d fit", len(r.Context), maxContext)
	}
	if ok {
		o.judgeContent(t, r.Content, v.fault)
	}
	v.content(r.Content)
	if (r.Contact == "") == (r.Address.Value == "") {
		v.fault("to", "give either contact_id or address")
	}
	if ok {
		if err := o.judgeFiles(ctx, client, r, &t, &v); err != nil {
			return t, err
		}
		if err := o.judgeTarget(ctx, client, r, &t, v.fault); err != nil {
			return t, err
		}
	}
	return t, v.err()
}

// verdict gathers what is wrong with a request.
type verdict struct {
	faults  []model.Fault
	missing bool // the account is none of the client's
	taken   int  // how many of the faults are files of other messages
}

func (v *verdict) fault(field, format string, args ...any) {
	v.faults = append(v.faults, model.Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
}

// err is nil when nothing is wrong. What could be right at another time, or
// with another id, is told by its code as long as nothing else is wrong.
func (v *verdict) err() error {
	e := &model.Error{Code: model.Invalid, Op: "judge message", Detail: "the message cannot be sent as it is", Faults: v.faults}
	switch n := len(v.faults); {
	case n == 0:
		return nil
	case v.missing && n == 1:
		e.Code, e.Detail = model.NotFound, "there is no such account"
	case v.taken == n:
		e.Code, e.Detail = model.Conflicting, "Another message has taken an attachment: upload the file again."
	}
	return e
}

// content names what is wrong with a content on any channel, where its own
// channel has not said so already.
func (v *verdict) content(c model.Content) {
	switch {
	case c.Type == "":
		v.fault("content.type", "name the type of the content, for instance %q", model.ContentText)
	case c.Type.InOnly():
		v.fault("content.type", "%q comes from customers and cannot be sent", c.Type)
	default:
		for _, f := range c.Faults() {
			field := "content." + f.Field
			if !slices.ContainsFunc(v.faults, func(known model.Fault) bool { return known.Field == field }) {
				v.fault(field, "%s", f.Detail)
			}
		}
	}
	for i := range c.Cards {
		if c.Cards[i].AttachmentID != "" {
			v.fault(fmt.Sprintf("content.cards[%d].attachment_id", i), "cards cannot carry files in this version")
		}
	}
}

// judgeContent names what this account's channel does not take.
func (o *Outbound) judgeContent(t target, c model.Content, fault func(field, format string, args ...any)) {
	if t.known && !t.descriptor.Can.Send && !t.descriptor.Can.RenderSocket {
		fault("account_id", "this channel cannot send")
		return
	}
	types := []model.ContentType{model.ContentText}
	if t.known && len(t.descriptor.Limits.ContentTypes) > 0 {
		types = t.descriptor.Limits.ContentTypes
	}
	switch {
	case c.Type == "" || c.Type.InOnly():
		// Said with what else is wrong with any content.
	case !c.Type.Known():
		// What stands there is not repeated: it may be anything.
		fault("content.type", "this is no type of the common format; this account takes %s", typeList(types))
	case !slices.Contains(types, c.Type):
		fault("content.type", "this account does not take %q; it takes %s", c.Type, typeList(types))
	}
	if most := t.descriptor.Limits.MaxText; t.known && most > 0 && utf8.RuneCountInString(c.Text) > most {
		fault("content.text", "the text has %d characters; this channel takes %d", utf8.RuneCountInString(c.Text), most)
	}
}

func typeList(types []model.ContentType) string {
	s := ""
	for i, t := range types {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q", t)
	}
	return s
}

// judgeTarget finds whom the message is for.
func (o *Outbound) judgeTarget(ctx context.Context, client *store.Client, r Request, t *target, fault func(field, format string, args ...any)) error {
	switch {
	case (r.Contact == "") == (r.Address.Value == ""):
		return nil // said already
	case r.Contact != "":
		return o.judgeContact(ctx, client, r.Contact, t, fault)
	}
	a, sound := r.Address, true
	wrong := func(field, format string, args ...any) {
		fault(field, format, args...)
		sound = false
	}
	if len(a.Value) > 256 || !utf8.ValidString(a.Value) {
		wrong("to.address", "an address has at most 256 bytes of UTF-8")
	}
	kinds := t.descriptor.AddressKinds
	switch {
	case a.Kind == "" && (!t.known || len(kinds) == 0):
		wrong("to.address_kind", "name the kind of the address: this account's connector has not said which it knows")
	case a.Kind == "":
		a.Kind = kinds[0]
	case t.known && len(kinds) > 0 && !slices.Contains(kinds, a.Kind):
		wrong("to.address_kind", "this channel does not know addresses of that kind; it knows %q", kinds)
	}
	if !sound {
		return nil
	}
	t.to = []model.Address{a}
	d, err := client.Find(ctx, t.account.ID, a)
	switch {
	case model.Is(err, model.NotFound):
		if t.socket() {
			fault("to.address", "nobody was ever in touch under this address, and this channel cannot begin a conversation")
		}
		t.introduce = true
		return nil
	case err != nil:
		return err
	}
	t.directory = d
	return o.judgeConsent(ctx, client, t, fault)
}

func (o *Outbound) judgeContact(ctx context.Context, client *store.Client, id model.ContactID, t *target, fault func(field, format string, args ...any)) error {
	missing := func() { fault("to.contact_id", "there is no such contact on this account") }
	if !id.Valid() {
		missing()
		return nil
	}
	d, err := client.DirectoryOf(ctx, t.account.ID, id)
	if model.Is(err, model.NotFound) {
		missing()
		return nil
	}
	if err != nil {
		return err
	}
	t.directory = d
	return o.judgeConsent(ctx, client, t, fault)
}

// judgeConsent reads the conversation: where to answer to, and whether the
// customer wants to be written to at all.
func (o *Outbound) judgeConsent(ctx context.Context, client *store.Client, t *target, fault func(field, format string, args ...any)) error {
	conv, err := client.ReadConversation(ctx, t.directory.Conversation)
	switch {
	case store.IsErased(err) && len(t.to) > 0:
		// Whoever has the address is somebody new.
		t.directory, t.introduce = store.Directory{}, true
		return client.Forget(ctx, t.account.ID, t.to, conv.ID)
	case store.IsErased(err):
		fault("to.contact_id", "there is no such contact on this account")
		return nil
	case model.Is(err, model.NotFound):
		if len(t.to) > 0 {
			return nil // we wrote first, and nobody has answered yet
		}
		k, err := client.Contact(ctx, t.directory.Contact)
		if err != nil {
			return err
		}
		t.to = k.Addresses
		return nil
	case err != nil:
		return err
	}
	if conv.OptedOut {
		fault("to", "the customer opted out, and has to opt in again before anything can be sent")
	}
	if len(t.to) == 0 {
		t.to = conv.Addresses
	}
	return nil
}
