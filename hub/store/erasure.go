package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	erasureSchema = 1
	erasurePK     = "erasure"
)

// ErasureStep is how far an erasure has come.
type ErasureStep string

// The steps of an erasure.
const (
	ErasureBegun   ErasureStep = "begun"   // until the contact's key is destroyed
	ErasureWaiting ErasureStep = "waiting" // nothing opens; until nothing that was under way can still write
	ErasureDone    ErasureStep = "done"    // rows and files are gone
)

// Erasure is the erasure of a contact. Its row carries it over a crash, and is
// the receipt afterwards. An Erasure is a value.
type Erasure struct {
	ID      model.ErasureID
	Client  model.ClientID
	Contact model.ContactID
	// Via is the name in rows of the address that it was ordered by, until it
	// is done: where a crash cut off the first contact, no other row has it.
	// Zero: it was ordered by id.
	Via   model.Random16
	By    string // the token that ordered it
	Asked time.Time
	Step  ErasureStep
	// Unreadable is since when nothing of the contact opens in any process.
	Unreadable time.Time
	Done       time.Time
	Expires    time.Time // of the receipt; zero until it is done

	Conversations []ErasedConversation
	// Removed counts what went. After a crash it may miss a few.
	Removed RemovedRows
	// Journals are requests that had not been taken when the erasure ended: of
	// whom they tell nobody knows. They end by themselves.
	Journals []ErasureJournal
	// Letters are dead letters of the same kind.
	Letters ErasureRest

	version table.Version
}

// ErasedConversation is a conversation of an erased contact.
type ErasedConversation struct {
	Account model.AccountID      `json:"a"`
	ID      model.ConversationID `json:"v"`
}

// ErasureRest is what may be about the contact and could not be told apart.
type ErasureRest struct {
	Count int   `json:"n,omitempty"`
	Ends  Milli `json:"e,omitempty"` // of the last of them
}

// ErasureJournal is a journal that was not drained.
type ErasureJournal struct {
	Plugin  model.PluginID  `json:"p"`
	Account model.AccountID `json:"a,omitempty"` // empty: shared by all
	ErasureRest
}

// Subject is how the audit log names the erasure: not by the contact.
func (e Erasure) Subject() string { return "erasure/" + string(e.ID) }

type erasureHeader struct {
	Client        model.ClientID       `json:"cl"`
	Contact       model.ContactID      `json:"cn"`
	Via           []byte               `json:"x,omitempty"`
	By            string               `json:"t"`
	Asked         Milli                `json:"c"`
	Step          ErasureStep          `json:"s"`
	Unreadable    Milli                `json:"u,omitempty"`
	Done          Milli                `json:"d,omitempty"`
	Conversations []ErasedConversation `json:"v,omitempty"`
	Removed       RemovedRows          `json:"r"`
	Journals      []ErasureJournal     `json:"j,omitempty"`
	Letters       ErasureRest          `json:"l"`
}

func (e Erasure) op() (table.Op, error) {
	var via []byte
	if e.Via != (model.Random16{}) {
		via = e.Via[:]
	}
	value, err := encodePlain(erasureSchema, erasureHeader{
		Via: via, Client: e.Client, Contact: e.Contact, By: e.By, Asked: Millis(e.Asked), Step: e.Step, Unreadable: Millis(e.Unreadable), Done: Millis(e.Done),
		Conversations: e.Conversations, Removed: e.Removed, Journals: e.Journals, Letters: e.Letters,
	})
	return table.Put(erasurePK, string(e.ID), value).IfVersion(e.version).Exact().ExpireAt(e.Expires), err
}

func decodeErasure(row table.Row) (Erasure, error) {
	var h erasureHeader
	if _, err := decodeHeader(row.Value, erasureSchema, &h); err != nil {
		return Erasure{}, fmt.Errorf("read erasure: %w", err)
	}
	var via model.Random16
	if len(h.Via) == 16 {
		via = model.Random16(h.Via)
	}
	return Erasure{
		Via: via, ID: model.ErasureID(row.SK), Client: h.Client, Contact: h.Contact, By: h.By, Asked: h.Asked.Time(), Step: h.Step,
		Unreadable: h.Unreadable.Time(), Done: h.Done.Time(), Expires: row.Expires, Conversations: h.Conversations,
		Removed: h.Removed, Journals: h.Journals, Letters: h.Letters, version: row.Version,
	}, nil
}

// ErasureID names the erasure of a contact: the same contact's is the same.
func (s *Store) ErasureID(ctx context.Context, client model.ClientID, contact model.ContactID) (model.ErasureID, error) {
	hub, err := s.sealer.Client(ctx, "")
	if err != nil {
		return "", err
	}
	raw, err := hub.PRF(ctx, "erasure", string(client), string(contact))
	if err != nil {
		return "", err
	}
	return model.ErasureIDOf(raw), nil
}

// Erasure returns one erasure, or model.NotFound.
func (s *Store) Erasure(ctx context.Context, id model.ErasureID) (Erasure, error) {
	row, err := s.table.Hub().Get(ctx, erasurePK, string(id))
	if err != nil {
		return Erasure{}, fmt.Errorf("read erasure: %w", err)
	}
	row.SK = string(id)
	return decodeErasure(row)
}

// Erasures returns at most limit erasures behind one, and whether there are
// more; also those whose receipt is still kept.
func (s *Store) Erasures(ctx context.Context, after model.ErasureID, limit int) (out []Erasure, more bool, err error) {
	page, err := s.table.Hub().Query(ctx, table.Query{PK: erasurePK, After: string(after), Limit: limit})
	if err != nil {
		return nil, false, fmt.Errorf("read erasures: %w", err)
	}
	for _, row := range page.Rows {
		e, err := decodeErasure(row)
		if err != nil {
			return nil, false, err
		}
		out = append(out, e)
	}
	return out, page.More, nil
}

// BeginErasure writes the order with the audit row of the act (I7). One that
// was ordered before comes back as it is, and nothing is written.
func (s *Store) BeginErasure(ctx context.Context, e Erasure, act Act) (now Erasure, began bool, err error) {
	found, err := s.Erasure(ctx, e.ID)
	if err == nil || !model.Is(err, model.NotFound) {
		return found, false, err
	}
	put, err := e.op()
	if err == nil {
		err = s.audited(ctx, act, put)
	}
	_, lost := conflictOf(err)
	if err != nil && !lost {
		return e, false, fmt.Errorf("order erasure: %w", err)
	}
	now, err = s.Erasure(ctx, e.ID)
	return now, !lost, err
}

// PutErasure notes how far an erasure has come, if it still is what e was read
// from; otherwise model.Conflicting: another hub works on it.
func (s *Store) PutErasure(ctx context.Context, e Erasure) (Erasure, error) {
	put, err := e.op()
	if err == nil {
		e.version, err = s.table.Hub().Commit(ctx, put)
	}
	return e, erasureFault(err)
}

// EndErasure writes the receipt with the audit row of the end.
func (s *Store) EndErasure(ctx context.Context, e Erasure, act Act) error {
	put, err := e.op()
	if err == nil {
		err = s.audited(ctx, act, put)
	}
	return erasureFault(err)
}

func erasureFault(err error) error {
	if _, changed := conflictOf(err); changed {
		return model.Errorf(model.Conflicting, "note erasure", "another hub has noted more")
	}
	if err != nil {
		return fmt.Errorf("note erasure: %w", err)
	}
	return nil
}
