package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

const (
	addressSchema   = 1
	contactSchema   = 1
	directorySchema = 1
)

// Directory says which contact and which conversation an address on an account
// belongs to. It is decided once, at first contact, and never changes.
type Directory struct {
	Contact      model.ContactID
	Conversation model.ConversationID
}

// Key is the key that everything of this contact is sealed under.
func (d Directory) Key() seal.KeyID { return seal.ContactKey(d.Contact) }

type directoryKey struct {
	account model.AccountID
	address model.Random16 // PRF of the address
}

type addressHeader struct {
	Contact model.ContactID `json:"cn"`
}

type directoryHeader struct {
	Conversation model.ConversationID `json:"v"`
}

// contactHeader lists whatever leads to the contact before it is there, so
// that an erasure finds it also while it is being made.
type contactHeader struct {
	Since     Milli             `json:"c,omitempty"`
	Accounts  []model.AccountID `json:"a,omitempty"`
	Addresses [][]byte          `json:"x,omitempty"` // PRFs
	// Erased refuses every further way to the contact. Owners are the names of
	// its visitors in rows of files, which nobody can tell any more. There is no
	// body.
	Erased bool     `json:"z,omitempty"`
	Owners [][]byte `json:"o,omitempty"`
}

// contactBody is what the hub knows of a customer.
type contactBody struct {
	Addresses   []model.Address `json:"a"`
	DisplayName string          `json:"n,omitempty"`
}

func hexKey(k model.Random16) string { return hex.EncodeToString(k[:]) }

func addressPK(k model.Random16) string { return "x/" + hexKey(k) }

func contactPK(id model.ContactID) string { return "p/" + string(id) }

func directoryPK(account model.AccountID) string { return "d/" + string(account) }

// Find returns the directory entry of an address without making one:
// model.NotFound when this address never was in touch on this account.
func (c *Client) Find(ctx context.Context, account model.AccountID, address model.Address) (Directory, error) {
	at, err := c.addressKey(ctx, address)
	if err != nil {
		return Directory{}, err
	}
	if d, ok := c.directory.GetIfPresent(directoryKey{account, at}); ok {
		return d, nil
	}
	contact, err := c.contactAt(ctx, at)
	if err != nil {
		return Directory{}, err
	}
	d, err := c.DirectoryOf(ctx, account, contact)
	if err != nil {
		return Directory{}, err
	}
	c.directory.Set(directoryKey{account, at}, d)
	return d, nil
}

// DirectoryOf returns the directory entry of a contact on an account.
func (c *Client) DirectoryOf(ctx context.Context, account model.AccountID, contact model.ContactID) (Directory, error) {
	row, err := c.rows.Get(ctx, directoryPK(account), string(contact))
	if err != nil {
		return Directory{}, fmt.Errorf("find conversation of contact: %w", err)
	}
	var h directoryHeader
	if _, err := decodeHeader(row.Value, directorySchema, &h); err != nil {
		return Directory{}, fmt.Errorf("find conversation of contact: %w", err)
	}
	return Directory{Contact: contact, Conversation: h.Conversation}, nil
}

// Resolve returns the directory entry of a customer on an account, making the
// contact and the conversation at first contact. The first address is the one
// to answer to; the others are known to be the same person, and those that are
// new from then on lead to the same conversation.
//
// Two hubs that meet a new address at once agree: each row is put if absent,
// and who comes second takes what is there.
func (c *Client) Resolve(ctx context.Context, account model.AccountID, addresses []model.Address, name string) (Directory, error) {
	if len(addresses) == 0 {
		return Directory{}, model.Errorf(model.Invalid, "find contact", "an event needs a contact address")
	}
	var (
		found   Directory
		unknown []model.Address
	)
	for _, a := range addresses {
		d, err := c.Find(ctx, account, a)
		switch {
		case model.Is(err, model.NotFound):
			unknown = append(unknown, a)
		case err != nil:
			return Directory{}, err
		case found == Directory{}:
			found = d
		}
	}
	switch {
	case found == Directory{}:
		return c.introduce(ctx, account, addresses, name)
	case len(unknown) > 0:
		keys, err := c.addressKeys(ctx, unknown)
		if err != nil {
			return Directory{}, err
		}
		if keys, err = c.nobodys(ctx, keys); err != nil || len(keys) == 0 {
			return found, err
		}
		if err := c.noteWays(ctx, found.Contact, account, keys); err != nil {
			return Directory{}, err
		}
		return found, c.claimAddresses(ctx, account, keys, found)
	}
	return found, nil
}

// nobodys returns the addresses that belong to no contact.
func (c *Client) nobodys(ctx context.Context, keys []model.Random16) ([]model.Random16, error) {
	var out []model.Random16
	for _, at := range keys {
		if _, err := c.contactAt(ctx, at); model.Is(err, model.NotFound) {
			out = append(out, at)
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Client) addressKeys(ctx context.Context, addresses []model.Address) ([]model.Random16, error) {
	keys := make([]model.Random16, len(addresses))
	for i, a := range addresses {
		var err error
		if keys[i], err = c.addressKey(ctx, a); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// introduce writes the rows of a first contact, in an order in which a crash
// leaves nothing that a repeat does not complete: an address decides the
// contact, then come its key, its row, the conversation, and last the other
// addresses.
func (c *Client) introduce(ctx context.Context, account model.AccountID, addresses []model.Address, name string) (Directory, error) {
	keys, err := c.addressKeys(ctx, addresses)
	if err != nil {
		return Directory{}, err
	}
	contact, fresh, err := c.decideContact(ctx, keys)
	if err != nil {
		return Directory{}, err
	}
	if !fresh {
		// The key of somebody who is being erased must not be made again.
		if _, h, err := c.contactRow(ctx, contact); err == nil && h.Erased {
			return Directory{}, erased("introduce contact")
		} else if err != nil && !model.Is(err, model.NotFound) {
			return Directory{}, err
		}
	}
	failpoint.Hit("contact.after_address")
	if err := c.seal.CreateKey(ctx, seal.ContactKey(contact)); err != nil {
		return Directory{}, fmt.Errorf("introduce contact: %w", err)
	}
	failpoint.Hit("contact.after_key")
	h := contactHeader{Since: Millis(c.now()), Accounts: []model.AccountID{account}}
	for _, at := range keys {
		h.Addresses = append(h.Addresses, bytes.Clone(at[:]))
	}
	value, err := c.encode(ctx, contactPK(contact), "c", contactSchema, seal.ContactKey(contact), h, contactBody{Addresses: addresses, DisplayName: name})
	if err != nil {
		return Directory{}, fmt.Errorf("introduce contact: %w", err)
	}
	_, ours, err := putOrFound(ctx, c.rows, contactPK(contact), "c", value, time.Time{})
	if err != nil {
		return Directory{}, fmt.Errorf("introduce contact: %w", err)
	}
	failpoint.Hit("contact.after_row")
	if !ours {
		if err := c.noteWays(ctx, contact, account, keys); err != nil {
			return Directory{}, err
		}
	}
	d, err := c.openDirectory(ctx, account, contact)
	if err != nil {
		return Directory{}, err
	}
	failpoint.Hit("contact.after_directory")
	return d, c.claimAddresses(ctx, account, keys, d)
}

// contactRow reads a contact's row.
func (c *Client) contactRow(ctx context.Context, id model.ContactID) (table.Row, contactHeader, error) {
	var h contactHeader
	row, err := c.rows.Get(ctx, contactPK(id), "c")
	if err == nil {
		_, err = decodeHeader(row.Value, contactSchema, &h)
	}
	if err != nil {
		return row, h, fmt.Errorf("read contact: %w", err)
	}
	return row, h, nil
}

// noteWays lists in the contact's row what is about to lead to it.
func (c *Client) noteWays(ctx context.Context, id model.ContactID, account model.AccountID, addresses []model.Random16) error {
	return c.changeWays(ctx, id, func(h *contactHeader) bool {
		news := !slices.Contains(h.Accounts, account)
		if news {
			h.Accounts = append(h.Accounts, account)
		}
		for _, at := range addresses {
			if !slices.ContainsFunc(h.Addresses, func(x []byte) bool { return bytes.Equal(x, at[:]) }) {
				h.Addresses, news = append(h.Addresses, bytes.Clone(at[:])), true
			}
		}
		return news
	})
}

// unlistAccount takes an account that is removed off the contact's list.
func (c *Client) unlistAccount(ctx context.Context, id model.ContactID, account model.AccountID) error {
	err := c.changeWays(ctx, id, func(h *contactHeader) bool {
		before := len(h.Accounts)
		h.Accounts = slices.DeleteFunc(h.Accounts, func(a model.AccountID) bool { return a == account })
		return len(h.Accounts) < before
	})
	if IsErased(err) {
		return nil // the list goes with the contact
	}
	return err
}

// changeWays changes the lists in a contact's row by compare-and-set. Change
// returns false when there is nothing to write.
func (c *Client) changeWays(ctx context.Context, id model.ContactID, change func(*contactHeader) bool) error {
	const op = "note what leads to a contact"
	for {
		row, h, err := c.contactRow(ctx, id)
		if model.Is(err, model.NotFound) || err == nil && h.Erased {
			return erased(op)
		}
		if err != nil {
			return err
		}
		if !change(&h) {
			return nil
		}
		sealed, err := decodeHeader(row.Value, contactSchema, &contactHeader{})
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		value, err := encodeHeader(contactSchema, h, len(sealed))
		if err != nil {
			return err
		}
		_, err = c.rows.Commit(ctx, table.Put(contactPK(id), "c", append(value, sealed...)).IfVersion(row.Version))
		if _, changed := conflictOf(err); changed {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		return nil
	}
}

// decideContact returns the contact that one of the addresses has already, on
// another account or from an earlier try, and makes a new one otherwise; then
// it is fresh. The address that sorts first decides, so that two hubs that
// learn of the same addresses in different orders decide the same.
func (c *Client) decideContact(ctx context.Context, keys []model.Random16) (contact model.ContactID, fresh bool, err error) {
	for _, at := range keys {
		contact, err := c.contactAt(ctx, at)
		if err == nil || !model.Is(err, model.NotFound) {
			return contact, false, err
		}
	}
	first := slices.MinFunc(keys, func(a, b model.Random16) int { return bytes.Compare(a[:], b[:]) })
	id := model.NewContactID()
	contact, err = c.claimAddress(ctx, first, id)
	return contact, contact == id, err
}

// claimAddresses makes the addresses belong to the contact, as far as they are
// nobody's. One that is another contact's stays that. They are listed in the
// contact's row already.
func (c *Client) claimAddresses(ctx context.Context, account model.AccountID, keys []model.Random16, d Directory) error {
	for _, at := range keys {
		owner, err := c.contactAt(ctx, at)
		if model.Is(err, model.NotFound) {
			owner, err = c.claimAddress(ctx, at, d.Contact)
		}
		if err != nil {
			return err
		}
		if owner == d.Contact {
			c.directory.Set(directoryKey{account, at}, d)
		}
	}
	return nil
}

// contactAt returns the contact that an address belongs to, or model.NotFound.
func (c *Client) contactAt(ctx context.Context, at model.Random16) (model.ContactID, error) {
	row, err := c.rows.Get(ctx, addressPK(at), "a")
	if err != nil {
		return "", fmt.Errorf("find address: %w", err)
	}
	var h addressHeader
	if _, err := decodeHeader(row.Value, addressSchema, &h); err != nil {
		return "", fmt.Errorf("find address: %w", err)
	}
	return h.Contact, nil
}

// claimAddress makes the address belong to the contact, or returns the contact
// it belongs to already.
func (c *Client) claimAddress(ctx context.Context, at model.Random16, contact model.ContactID) (model.ContactID, error) {
	value, err := encodePlain(addressSchema, addressHeader{Contact: contact})
	if err != nil {
		return "", err
	}
	row, _, err := putOrFound(ctx, c.rows, addressPK(at), "a", value, time.Time{})
	if err != nil {
		return "", fmt.Errorf("claim address: %w", err)
	}
	var h addressHeader
	if _, err := decodeHeader(row.Value, addressSchema, &h); err != nil {
		return "", fmt.Errorf("claim address: %w", err)
	}
	return h.Contact, nil
}

func (c *Client) openDirectory(ctx context.Context, account model.AccountID, contact model.ContactID) (Directory, error) {
	value, err := encodePlain(directorySchema, directoryHeader{Conversation: model.NewConversationID()})
	if err != nil {
		return Directory{}, err
	}
	row, _, err := putOrFound(ctx, c.rows, directoryPK(account), string(contact), value, time.Time{})
	if err != nil {
		return Directory{}, fmt.Errorf("open conversation: %w", err)
	}
	var h directoryHeader
	if _, err := decodeHeader(row.Value, directorySchema, &h); err != nil {
		return Directory{}, fmt.Errorf("open conversation: %w", err)
	}
	return Directory{Contact: contact, Conversation: h.Conversation}, nil
}

// Contact returns what the hub knows of a contact.
func (c *Client) Contact(ctx context.Context, id model.ContactID) (model.Contact, error) {
	row, err := c.rows.Get(ctx, contactPK(id), "c")
	if err != nil {
		return model.Contact{}, fmt.Errorf("read contact: %w", err)
	}
	var h contactHeader
	sealed, err := decodeHeader(row.Value, contactSchema, &h)
	if err != nil {
		return model.Contact{}, fmt.Errorf("read contact: %w", err)
	}
	if h.Erased {
		return model.Contact{}, erased("read contact")
	}
	var b contactBody
	if err := c.openBody(ctx, row, contactSchema, seal.ContactKey(id), sealed, &b); err != nil {
		return model.Contact{}, fmt.Errorf("read contact: %w", err)
	}
	return contactOf(id, b.Addresses, b.DisplayName), nil
}

func contactOf(id model.ContactID, addresses []model.Address, name string) model.Contact {
	k := model.Contact{ID: id, Addresses: addresses, DisplayName: name}
	if len(addresses) > 0 {
		k.Address, k.AddressKind = addresses[0].Value, addresses[0].Kind
	}
	return k
}

func (c *Client) addressKey(ctx context.Context, a model.Address) (model.Random16, error) {
	return c.seal.PRF(ctx, "address", string(a.Kind), a.Value)
}
