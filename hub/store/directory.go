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

type contactHeader struct {
	Since Milli `json:"c"`
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
		return found, c.claimAddresses(ctx, account, unknown, found)
	}
	return found, nil
}

// introduce writes the rows of a first contact, in an order in which a crash
// leaves nothing that a repeat does not complete: an address decides the
// contact, then come its key, its row, the conversation, and last the other
// addresses.
func (c *Client) introduce(ctx context.Context, account model.AccountID, addresses []model.Address, name string) (Directory, error) {
	contact, err := c.decideContact(ctx, addresses)
	if err != nil {
		return Directory{}, err
	}
	if err := c.seal.CreateKey(ctx, seal.ContactKey(contact)); err != nil {
		return Directory{}, fmt.Errorf("introduce contact: %w", err)
	}
	value, err := c.encode(ctx, contactPK(contact), "c", contactSchema, seal.ContactKey(contact),
		contactHeader{Since: Millis(c.now())}, contactBody{Addresses: addresses, DisplayName: name})
	if err != nil {
		return Directory{}, fmt.Errorf("introduce contact: %w", err)
	}
	if _, _, err := putOrFound(ctx, c.rows, contactPK(contact), "c", value, time.Time{}); err != nil {
		return Directory{}, fmt.Errorf("introduce contact: %w", err)
	}
	d, err := c.openDirectory(ctx, account, contact)
	if err != nil {
		return Directory{}, err
	}
	return d, c.claimAddresses(ctx, account, addresses, d)
}

// decideContact returns the contact that one of the addresses has already, on
// another account or from an earlier try, and makes a new one otherwise. The
// address that sorts first decides, so that two hubs that learn of the same
// addresses in different orders decide the same.
func (c *Client) decideContact(ctx context.Context, addresses []model.Address) (model.ContactID, error) {
	keys := make([]model.Random16, len(addresses))
	for i, a := range addresses {
		at, err := c.addressKey(ctx, a)
		if err != nil {
			return "", err
		}
		keys[i] = at
	}
	for _, at := range keys {
		contact, err := c.contactAt(ctx, at)
		if err == nil || !model.Is(err, model.NotFound) {
			return contact, err
		}
	}
	first := slices.MinFunc(keys, func(a, b model.Random16) int { return bytes.Compare(a[:], b[:]) })
	return c.claimAddress(ctx, first, model.NewContactID())
}

// claimAddresses makes the addresses belong to the contact, as far as they are
// nobody's. One that is another contact's stays that.
func (c *Client) claimAddresses(ctx context.Context, account model.AccountID, addresses []model.Address, d Directory) error {
	for _, a := range addresses {
		at, err := c.addressKey(ctx, a)
		if err != nil {
			return err
		}
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
