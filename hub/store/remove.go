package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// dropPage is how many rows of a partition one commit deletes.
const dropPage = 25

// classKeys are the keys of a client that belong to no contact.
var classKeys = []seal.KeyID{attachmentKey, letterKey, linkKey, secretKey, stateKey}

// drop deletes the rows of a partition between two sort keys, each after f has
// seen it; an empty to has no end, and f may be nil. It returns how many there
// were. What a crash left the repeat deletes.
func drop(ctx context.Context, rows table.Handle, pk, from, to string, f func(table.Row) error) (n int, err error) {
	for {
		page, err := rows.Query(ctx, table.Query{PK: pk, From: from, To: to, Limit: dropPage})
		if err != nil {
			return n, fmt.Errorf("read what is to be removed: %w", err)
		}
		if len(page.Rows) == 0 {
			return n, nil
		}
		ops := make([]table.Op, 0, len(page.Rows))
		for _, row := range page.Rows {
			if f != nil {
				if err := f(row); err != nil {
					return n, err
				}
			}
			ops = append(ops, table.Delete(pk, row.SK))
		}
		if _, err := rows.Commit(ctx, ops...); err != nil {
			return n, fmt.Errorf("remove rows: %w", err)
		}
		n += len(ops)
	}
}

func (c *Client) drop(ctx context.Context, pk string) (int, error) {
	return drop(ctx, c.rows, pk, "", "", nil)
}

// RemoveContacts removes the conversations of an account, and the contacts
// that none of the others knows. With all, a contact's addresses go also while
// another knows it: that one's turn comes. Told is given what went with each; the row
// that it was found by goes only when told has returned.
func (c *Client) RemoveContacts(ctx context.Context, account model.AccountID, others []model.AccountID, all bool, told func(model.ConversationID, RemovedRows) error) error {
	for {
		page, err := c.rows.Query(ctx, table.Query{PK: directoryPK(account), Limit: dropPage})
		if err != nil {
			return fmt.Errorf("read directory: %w", err)
		}
		for _, row := range page.Rows {
			var h directoryHeader
			if _, err := decodeHeader(row.Value, directorySchema, &h); err != nil {
				return fmt.Errorf("read directory: %w", err)
			}
			removed, err := c.removeContact(ctx, account, others, all, Directory{Contact: model.ContactID(row.SK), Conversation: h.Conversation})
			if err != nil {
				return err
			}
			if err := told(h.Conversation, removed); err != nil {
				return err
			}
			if _, err := c.rows.Commit(ctx, table.Delete(directoryPK(account), row.SK)); err != nil {
				return fmt.Errorf("delete directory row: %w", err)
			}
		}
		if !page.More {
			break
		}
	}
	// What this process believed of them is over.
	c.directory.InvalidateAll()
	c.conversations.InvalidateAll()
	c.lanes.InvalidateAll()
	return nil
}

func (c *Client) removeContact(ctx context.Context, account model.AccountID, others []model.AccountID, all bool, d Directory) (n RemovedRows, err error) {
	addresses, err := c.waysTo(ctx, d)
	if err != nil {
		return n, err
	}
	elsewhere := false
	for _, other := range others {
		if other == account {
			continue
		}
		_, err := c.DirectoryOf(ctx, other, d.Contact)
		if err != nil && !model.Is(err, model.NotFound) {
			return n, err
		}
		elsewhere = elsewhere || err == nil
	}
	if !elsewhere || all {
		// First of all: whoever writes again must be somebody new.
		for _, a := range addresses {
			gone, err := c.removeAddress(ctx, a, d.Contact)
			if err != nil {
				return n, err
			}
			if gone {
				n.Addresses++
			}
		}
		failpoint.Hit("removal.after_addresses")
	}
	if err := c.removeConversation(ctx, d.Conversation, &n); err != nil {
		return n, err
	}
	failpoint.Hit("removal.after_conversation")
	if elsewhere {
		return n, c.unlistAccount(ctx, d.Contact, account)
	}
	if err := c.seal.DestroyKey(ctx, d.Key()); err != nil {
		return n, err
	}
	failpoint.Hit("removal.after_contact_key")
	if _, err := c.drop(ctx, contactPK(d.Contact)); err != nil {
		return n, err
	}
	failpoint.Hit("removal.after_contact")
	n.Contacts++
	return n, nil
}

// addressesOf is every address that is known of a contact. What does not open
// any more tells none.
func (c *Client) addressesOf(ctx context.Context, d Directory) ([]model.Address, error) {
	var all []model.Address
	contact, err := c.Contact(ctx, d.Contact)
	if err != nil && !gone(err) {
		return nil, err
	}
	all = append(all, contact.Addresses...)
	conv, err := c.ReadConversation(ctx, d.Conversation)
	if err != nil && !gone(err) {
		return nil, err
	}
	return append(all, conv.Addresses...), nil
}

// gone tells what cannot be read any more: a removal passes it over.
func gone(err error) bool { return model.Is(err, model.NotFound) || model.Is(err, model.Corrupt) }

// waysTo is the keys of every address that is known of a contact.
func (c *Client) waysTo(ctx context.Context, d Directory) ([]model.Random16, error) {
	addresses, err := c.addressesOf(ctx, d)
	if err != nil {
		return nil, err
	}
	keys, err := c.addressKeys(ctx, addresses)
	if err != nil {
		return nil, err
	}
	_, h, err := c.contactRow(ctx, d.Contact)
	if err != nil && !gone(err) {
		return nil, err
	}
	listed, err := keysOf(h.Addresses)
	if err != nil {
		return nil, err
	}
	keys = append(keys, listed...)
	slices.SortFunc(keys, func(a, b model.Random16) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(keys), nil
}

func (c *Client) removeAddress(ctx context.Context, at model.Random16, owner model.ContactID) (bool, error) {
	has, err := c.contactAt(ctx, at)
	if err != nil || has != owner {
		if model.Is(err, model.NotFound) {
			err = nil
		}
		return false, err
	}
	if _, err := c.rows.Commit(ctx, table.Delete(addressPK(at), "a")); err != nil {
		return false, fmt.Errorf("delete address: %w", err)
	}
	return true, nil
}

// removeConversation deletes every row of a conversation and of its lane, and
// before each message the rows that lead to it.
func (c *Client) removeConversation(ctx context.Context, conv model.ConversationID, n *RemovedRows) error {
	pk := conversationPK(conv)
	there, err := drop(ctx, c.rows, pk, "", "", func(row table.Row) error {
		switch {
		case strings.HasPrefix(row.SK, "e/"):
			n.Events++
		case strings.HasPrefix(row.SK, "m/"):
			n.Messages++
			key, err := keyOf(row.SK)
			if err != nil {
				return err
			}
			o, err := c.decodeOutbound(ctx, conv, key, row)
			if gone(err) {
				return nil
			}
			if err != nil {
				return err
			}
			return c.removeWaysTo(ctx, o, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	lane, err := c.drop(ctx, "l/"+string(conv))
	if err != nil {
		return err
	}
	if there+lane > 0 {
		n.Conversations++
	}
	return nil
}

// removeWaysTo deletes the provider ids of a message, and the intent of the
// call that it came by.
func (c *Client) removeWaysTo(ctx context.Context, o Outbound, n *RemovedRows) error {
	var ops []table.Op
	for _, id := range o.ProviderIDs {
		key, err := c.ProviderKey(ctx, o.Account, id)
		if err != nil {
			return err
		}
		ops = append(ops, table.Delete(providerPK(key), "r"))
	}
	for _, key := range o.providerKeys {
		ops = append(ops, table.Delete(providerPK(key), "r"))
	}
	n.ProviderIDs += len(ops)
	if o.Intent != (model.Random16{}) {
		ops = append(ops, table.Delete("i/"+hexKey(o.Intent), "i"))
	}
	for batch := range slices.Chunk(ops, dropPage) {
		if _, err := c.rows.Commit(ctx, batch...); err != nil {
			return fmt.Errorf("remove provider ids: %w", err)
		}
	}
	return nil
}

// RemoveLetters deletes the dead letters of an account with what lies with
// them; of every account when it is empty.
func (c *Client) RemoveLetters(ctx context.Context, account model.AccountID) (n int, err error) {
	for after := (model.Random16{}); ; {
		letters, err := c.DeadLetters(ctx, after, 500)
		if err != nil {
			return n, err
		}
		for _, d := range letters {
			after = d.UUID
			if account != "" && d.Account != account && d.Route.Account != account {
				continue
			}
			if err := c.RemoveLetter(ctx, d); err != nil {
				return n, err
			}
			n++
		}
		if len(letters) < 500 {
			return n, nil
		}
	}
}

// RemoveAccountRows deletes what is kept for an account itself: its state, its
// connector's state and secrets.
func (c *Client) RemoveAccountRows(ctx context.Context, account model.AccountID) error {
	for _, pk := range []string{accountPK(account), statePK(account)} {
		if _, err := c.drop(ctx, pk); err != nil {
			return err
		}
	}
	return nil
}

// farthestDue is how far ahead what is due is looked for: no class of data
// lives longer. An hour without anything costs one read.
const farthestDue = 31 * 24 * time.Hour

// EachDue calls f with everything that is noted to be removed at any time.
func (c *Client) EachDue(ctx context.Context, f func(Due) error) error {
	row, err := c.rows.Get(ctx, "sweep", "due")
	if model.Is(err, model.NotFound) {
		return nil // nothing ever was
	}
	var h dueHead
	if err == nil {
		_, err = decodeHeader(row.Value, dueSchema, &h)
	}
	if err != nil {
		return fmt.Errorf("read what is due: %w", err)
	}
	hour, err := time.Parse(dueHour, h.Hour)
	if err != nil {
		return model.Errorf(model.Corrupt, "read what is due", "the head names no hour")
	}
	for end := c.now().Add(farthestDue); hour.Before(end); hour = hour.Add(time.Hour) {
		if _, refused, err := c.dueIn(ctx, hourOf(hour), end, f); err != nil || refused != nil {
			return errors.Join(err, refused)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// AccountsOfFeed returns the accounts that records of the feed tell of: those
// of an older hub, which noted none.
func (c *Client) AccountsOfFeed(ctx context.Context) ([]model.AccountID, error) {
	seen := map[model.AccountID]bool{}
	for _, log := range c.feed {
		at, err := log.Floor(ctx)
		if err != nil {
			return nil, err
		}
		for {
			rows, err := log.Read(ctx, at, 500)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				at = row.N
				for _, r := range row.Records {
					if r.Account != "" {
						seen[r.Account] = true
					}
				}
			}
			if len(rows) < 500 {
				break
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// RemoveRest deletes what is left of a client whose accounts and files are
// gone: feed, consumers, sweeps, keys, and last the keysets, without which
// nothing that was ever written opens.
func (c *Client) RemoveRest(ctx context.Context) error {
	consumers := []string{}
	_, err := drop(ctx, c.rows, "meta", consumerTag, consumerEnd, func(row table.Row) error {
		consumers = append(consumers, strings.TrimPrefix(row.SK, consumerTag))
		_, err := c.drop(ctx, "u/"+strings.TrimPrefix(row.SK, consumerTag))
		return err
	})
	if err != nil {
		return err
	}
	for _, pk := range []string{mediaPK, "sweep"} {
		if _, err := c.drop(ctx, pk); err != nil {
			return err
		}
	}
	for shard := range c.shards {
		if _, err := c.drop(ctx, fmt.Sprintf("f/%d", shard)); err != nil {
			return err
		}
	}
	failpoint.Hit("removal.after_rest")
	for _, key := range classKeys {
		if err := c.seal.DestroyKey(ctx, key); err != nil {
			return err
		}
	}
	failpoint.Hit("removal.after_keys")
	if err := c.seal.DestroyKeysets(ctx); err != nil {
		return err
	}
	if _, err := c.drop(ctx, "meta"); err != nil {
		return err
	}
	failpoint.Hit("removal.after_keysets")
	return nil
}
