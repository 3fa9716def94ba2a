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
// and the window: all faults at once. It writes nothing.
func (o *Outbound) judge(ctx context.Context, client *store.Client, r Request) (target, error) {
	const op = "judge message"
	var t target
	var faults []model.Fault
	fault := func(field, format string, args ...any) {
		faults = append(faults, model.Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
	acct, ok := o.Accounts.AccountOf(client.ID, r.Account)
	if !ok {
		return t, &model.Error{
			Code: model.NotFound, Op: op, Detail: "there is no such account",
			Faults: []model.Fault{{Field: "account_id", Detail: "use the id of one of your accounts; GET /v1/accounts lists them"}},
		}
	}
	t.account = acct
	t.descriptor, t.known = o.Connectors.Describe(acct.Plugin)
	if !acct.Enabled {
		fault("account_id", "the account is disabled in configuration")
	}
	t.expire = r.Expire
	if !r.HasExpire {
		t.expire = defaultExpire
	}
	if t.expire < minExpire || t.expire > maxExpire {
		fault("expire_after", "give a duration between %s and %s", minExpire, maxExpire)
	}
	if len(r.Context) > maxContext {
		fault("context", "the context has %d bytes; at most %d fit", len(r.Context), maxContext)
	}
	o.judgeContent(t, r.Content, fault)
	if err := o.judgeFiles(ctx, client, r, &t, fault); err != nil {
		return t, err
	}
	if err := o.judgeTarget(ctx, client, r, &t, fault); err != nil {
		return t, err
	}
	if len(faults) > 0 {
		return t, &model.Error{Code: model.Invalid, Op: op, Detail: "the message cannot be sent as it is", Faults: faults}
	}
	return t, nil
}

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
	case c.Type == "":
		fault("content.type", "name the type of the content, for instance %q", model.ContentText)
		return
	case c.Type.InOnly():
		fault("content.type", "%q comes from customers and cannot be sent", c.Type)
		return
	case !c.Type.Known():
		// What stands there is not repeated: it may be anything.
		fault("content.type", "this is no type of the common format; this account takes %s", typeList(types))
		return
	case !slices.Contains(types, c.Type):
		fault("content.type", "this account does not take %q; it takes %s", c.Type, typeList(types))
		return
	}
	for _, f := range c.Faults() {
		fault("content."+f.Field, "%s", f.Detail)
	}
	if most := t.descriptor.Limits.MaxText; t.known && most > 0 && utf8.RuneCountInString(c.Text) > most {
		fault("content.text", "the text has %d characters; this channel takes %d", utf8.RuneCountInString(c.Text), most)
	}
	for i := range c.Cards {
		if c.Cards[i].AttachmentID != "" {
			fault(fmt.Sprintf("content.cards[%d].attachment_id", i), "cards cannot carry files in this version")
		}
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
		fault("to", "give either contact_id or address")
		return nil
	case r.Contact != "":
		return o.judgeContact(ctx, client, r.Contact, t, fault)
	}
	a := r.Address
	if a.Kind == "" {
		if !t.known || len(t.descriptor.AddressKinds) == 0 {
			fault("to.address_kind", "name the kind of the address: this account's connector has not said which it knows")
			return nil
		}
		a.Kind = t.descriptor.AddressKinds[0]
	}
	if t.known && len(t.descriptor.AddressKinds) > 0 && !slices.Contains(t.descriptor.AddressKinds, a.Kind) {
		fault("to.address_kind", "this channel does not know addresses of that kind; it knows %q", t.descriptor.AddressKinds)
		return nil
	}
	if len(a.Value) > 256 || !utf8.ValidString(a.Value) {
		fault("to.address", "an address has at most 256 bytes of UTF-8")
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
