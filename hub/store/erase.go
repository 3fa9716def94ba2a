package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

var errErased = errors.New("the contact was erased")

func erased(op string) error { return model.Wrap(model.NotFound, op, errErased) }

// IsErased reports whether an error came of a contact that was erased, or is
// being erased. Whoever it was about is somebody new from then on.
func IsErased(err error) bool { return errors.Is(err, errErased) }

// Forget has this process look up anew whom the addresses belong to, and what
// the conversation is.
func (c *Client) Forget(ctx context.Context, account model.AccountID, addresses []model.Address, conv model.ConversationID) error {
	keys, err := c.addressKeys(ctx, addresses)
	if err != nil {
		return err
	}
	for _, at := range keys {
		c.directory.Invalidate(directoryKey{account, at})
	}
	c.conversations.Invalidate(conv)
	return nil
}

// ContactOf returns the contact that an address belongs to, or model.NotFound,
// and the name of the address in rows.
func (c *Client) ContactOf(ctx context.Context, a model.Address) (id model.ContactID, at model.Random16, err error) {
	if at, err = c.addressKey(ctx, a); err != nil {
		return "", at, err
	}
	id, err = c.contactAt(ctx, at)
	return id, at, err
}

// KnowsContact reports whether there is anything of the contact.
func (c *Client) KnowsContact(ctx context.Context, id model.ContactID) (bool, error) {
	_, _, err := c.contactRow(ctx, id)
	if model.Is(err, model.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Erased is a contact that nothing leads to any more, and where its things are.
type Erased struct {
	Contact  model.ContactID
	Accounts []model.AccountID

	addresses, owners []model.Random16
}

// Owns reports whether a file was sent ahead by one of the contact's visitors.
func (e Erased) Owns(owner model.Random16) bool {
	return owner != (model.Random16{}) && slices.Contains(e.owners, owner)
}

// MarkErased makes the contact one that no address and no account can be added
// to, and lists all it has; accounts are further ones to look on, and via leads
// to it also when no row says so, unless it is zero. The row keeps the list
// until EndErased. Repeating it gives the same list.
func (c *Client) MarkErased(ctx context.Context, id model.ContactID, accounts []model.AccountID, via model.Random16) (Erased, error) {
	for {
		row, h, err := c.contactRow(ctx, id)
		if err != nil && !model.Is(err, model.NotFound) {
			return Erased{}, err
		}
		if !h.Erased {
			if h, err = c.erasedHeader(ctx, id, h, accounts, via); err != nil {
				return Erased{}, err
			}
			value, err := encodePlain(contactSchema, h)
			if err != nil {
				return Erased{}, err
			}
			_, err = c.rows.Commit(ctx, table.Put(contactPK(id), "c", value).IfVersion(row.Version))
			if _, changed := conflictOf(err); changed {
				continue
			}
			if err != nil {
				return Erased{}, fmt.Errorf("mark contact erased: %w", err)
			}
			failpoint.Hit("erasure.after_mark")
		}
		e := Erased{Contact: id, Accounts: h.Accounts}
		if e.addresses, err = keysOf(h.Addresses); err == nil {
			e.owners, err = keysOf(h.Owners)
		}
		return e, err
	}
}

// erasedHeader lists everything that leads to the contact, also what an older
// hub did not list.
func (c *Client) erasedHeader(ctx context.Context, id model.ContactID, h contactHeader, accounts []model.AccountID, via model.Random16) (contactHeader, error) {
	var addresses []model.Address
	for _, account := range append(slices.Clone(h.Accounts), accounts...) {
		d, err := c.DirectoryOf(ctx, account, id)
		if model.Is(err, model.NotFound) {
			continue
		}
		if err != nil {
			return h, err
		}
		if !slices.Contains(h.Accounts, account) {
			h.Accounts = append(h.Accounts, account)
		}
		more, err := c.addressesOf(ctx, d)
		if err != nil {
			return h, err
		}
		addresses = append(addresses, more...)
	}
	add := func(to [][]byte, key model.Random16) [][]byte {
		if slices.ContainsFunc(to, func(x []byte) bool { return bytes.Equal(x, key[:]) }) {
			return to
		}
		return append(to, bytes.Clone(key[:]))
	}
	if via != (model.Random16{}) {
		h.Addresses = add(h.Addresses, via)
	}
	for _, a := range addresses {
		at, err := c.addressKey(ctx, a)
		if err != nil {
			return h, err
		}
		h.Addresses = add(h.Addresses, at)
		for _, account := range h.Accounts {
			owner, err := c.AttachmentOwner(ctx, account, a)
			if err != nil {
				return h, err
			}
			h.Owners = add(h.Owners, owner)
		}
	}
	h.Erased = true
	return h, nil
}

func keysOf(raw [][]byte) ([]model.Random16, error) {
	out := make([]model.Random16, len(raw))
	for i, x := range raw {
		if len(x) != 16 {
			return nil, model.Errorf(model.Corrupt, "read contact", "a key has 16 bytes")
		}
		out[i] = model.Random16(x)
	}
	return out, nil
}

// DropAddresses deletes the addresses of an erased contact: who writes again
// is somebody new. It returns how many there were.
func (c *Client) DropAddresses(ctx context.Context, e Erased) (n int, err error) {
	for _, at := range e.addresses {
		gone, err := c.removeAddress(ctx, at, e.Contact)
		if err != nil {
			return n, err
		}
		if gone {
			n++
		}
	}
	// This process remembers them by account: all of it goes.
	c.directory.InvalidateAll()
	return n, nil
}

// EraseConversation has nothing be written any more into the contact's
// conversation on an account, and returns which it is. One that has not come
// into being yet is made, so that it cannot.
func (c *Client) EraseConversation(ctx context.Context, e Erased, account model.AccountID) (model.ConversationID, error) {
	d, err := c.openDirectory(ctx, account, e.Contact)
	if err != nil {
		return "", err
	}
	defer c.conversations.Invalidate(d.Conversation)
	for {
		row, err := c.rows.Get(ctx, conversationPK(d.Conversation), conversationSK)
		if err != nil && !model.Is(err, model.NotFound) {
			return "", fmt.Errorf("erase conversation: %w", err)
		}
		var h conversationHeader
		if err == nil {
			if _, err := decodeHeader(row.Value, conversationSchema, &h); err != nil {
				return "", fmt.Errorf("erase conversation: %w", err)
			}
		}
		if h.Key == seal.ErasedKey {
			return d.Conversation, nil
		}
		h.Account, h.Contact, h.Key = account, e.Contact, seal.ErasedKey
		value, err := encodePlain(conversationSchema, h)
		if err != nil {
			return "", err
		}
		_, err = c.rows.Commit(ctx, table.Put(conversationPK(d.Conversation), conversationSK, value).IfVersion(row.Version))
		if _, changed := conflictOf(err); changed {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("erase conversation: %w", err)
		}
		return d.Conversation, nil
	}
}

// erasePage bounds how many messages are in memory at one time.
const erasePage = 100

// EachOutbound calls f with every outbound message of a conversation that still
// opens, the oldest first.
func (c *Client) EachOutbound(ctx context.Context, conv model.ConversationID, f func(Outbound) error) error {
	for q := (table.Query{PK: conversationPK(conv), From: "m/", To: "m0", Limit: erasePage}); ; {
		page, err := c.rows.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		for _, row := range page.Rows {
			q.After = row.SK
			key, err := keyOf(row.SK)
			if err != nil {
				return err
			}
			o, err := c.decodeOutbound(ctx, conv, key, row)
			if gone(err) {
				continue
			}
			if err != nil {
				return err
			}
			if err := f(o); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

// RemoveLetter deletes a dead letter with what lies with it, and the note of
// its end.
func (c *Client) RemoveLetter(ctx context.Context, d DeadLetter) error {
	if _, err := c.drop(ctx, letterPK(d.UUID)); err != nil {
		return err
	}
	if err := c.DoneDue(ctx, d.due(0)); err != nil {
		return err
	}
	if _, err := c.rows.Commit(ctx, table.Delete("dl", string(d.UUID[:]))); err != nil {
		return fmt.Errorf("delete dead letter: %w", err)
	}
	return nil
}

// DropWaysTo deletes the rows that lead to a message from outside: those of
// its provider ids and of its idempotency key. Who knows one of these finds
// nothing any more. They are sealed under the contact's key, so this comes
// before it is destroyed.
func (c *Client) DropWaysTo(ctx context.Context, o Outbound, n *RemovedRows) error {
	return c.removeWaysTo(ctx, o, n)
}

// DestroyContactKey destroys the key of an erased contact: from now on nothing
// that was sealed under it opens.
func (c *Client) DestroyContactKey(ctx context.Context, e Erased) error {
	return c.seal.DestroyKey(ctx, seal.ContactKey(e.Contact))
}

// DropConversation deletes every row of an erased contact's conversation on an
// account, and last the row that it is found by.
func (c *Client) DropConversation(ctx context.Context, contact model.ContactID, account model.AccountID, conv model.ConversationID, n *RemovedRows) error {
	if err := c.removeConversation(ctx, conv, n); err != nil {
		return err
	}
	c.conversations.Invalidate(conv)
	c.lanes.Invalidate(conv)
	failpoint.Hit("erasure.after_conversation")
	if _, err := c.rows.Commit(ctx, table.Delete(directoryPK(account), string(contact))); err != nil {
		return fmt.Errorf("delete directory row: %w", err)
	}
	return nil
}

// EndErased deletes the row of an erased contact, which is the last that there
// is of it.
func (c *Client) EndErased(ctx context.Context, e Erased) error {
	if _, err := c.drop(ctx, contactPK(e.Contact)); err != nil {
		return err
	}
	return nil
}

// LettersOf is the dead letters that may be about somebody: those of the given
// conversations, and how many of the accounts hold a request that no connector
// took, of which nobody can tell whose it is; the last of these ends at ends.
func (c *Client) LettersOf(ctx context.Context, conversations []model.ConversationID, accounts []model.AccountID) (theirs []DeadLetter, unread int, ends time.Time, err error) {
	const page = 500
	for after := (model.Random16{}); ; {
		letters, err := c.DeadLetters(ctx, after, page)
		if err != nil {
			return nil, 0, ends, err
		}
		for _, d := range letters {
			after = d.UUID
			switch {
			case slices.Contains(conversations, d.Conversation):
				theirs = append(theirs, d)
			case d.Parts > 0 && (slices.Contains(accounts, d.Account) || slices.Contains(accounts, d.Route.Account)):
				unread++
				if d.Expires.After(ends) {
					ends = d.Expires
				}
			}
		}
		if len(letters) < page {
			return theirs, unread, ends, nil
		}
	}
}
