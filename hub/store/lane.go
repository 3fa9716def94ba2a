package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	claimSchema  = 1
	activeSchema = 1
	// activeShards spreads the rows of lanes with work, so that no partition
	// grows hot and a start reads them side by side.
	activeShards = 64
)

// Lane returns the log of a conversation's deliveries.
func (c *Client) Lane(conv model.ConversationID) *Log {
	l, _ := c.lanes.ComputeIfAbsent(conv, func() (*Log, bool) {
		return c.log("l/" + string(conv)), false
	})
	return l
}

// Claim is who works on a lane and what on: starting an attempt and claiming
// the lane are one conditional write. A Claim is a value.
type Claim struct {
	Conversation model.ConversationID
	Owner        string // a process, made anew at each start
	Epoch        uint64 // raised by every new owner

	// Open is the place behind the newest lane entry that was started.
	Open Position
	// Message and Attempt name the attempt that was started last; Attempt is 0
	// before the first. It does not reach the provider after SendUntil.
	Message   model.Random16
	Attempt   int
	SendUntil time.Time
	// Held are messages of entries before Open that wait for a receipt.
	Held []model.Random16

	version table.Version
}

type claimHeader struct {
	Owner     string   `json:"w"`
	Epoch     uint64   `json:"e"`
	N         uint64   `json:"n,omitempty"`
	Index     int      `json:"x,omitempty"`
	Message   []byte   `json:"m,omitempty"`
	Attempt   int      `json:"t,omitempty"`
	SendUntil Milli    `json:"u,omitempty"`
	Held      [][]byte `json:"h,omitempty"`
}

// Claim returns the claim on a lane; the zero claim when nobody ever had one.
func (c *Client) Claim(ctx context.Context, conv model.ConversationID) (Claim, error) {
	row, err := c.rows.Get(ctx, "l/"+string(conv), claimSK)
	if model.Is(err, model.NotFound) {
		return Claim{Conversation: conv}, nil
	}
	if err != nil {
		return Claim{}, fmt.Errorf("read lane claim: %w", err)
	}
	return decodeClaim(conv, row)
}

// PutClaim writes the claim if the row still is the version that it was made
// from. When it is not, ok is false and the claim that is there comes back.
func (c *Client) PutClaim(ctx context.Context, k Claim) (now Claim, ok bool, err error) {
	h := claimHeader{
		Owner: k.Owner, Epoch: k.Epoch, N: k.Open.N, Index: k.Open.Index,
		Attempt: k.Attempt, SendUntil: Millis(k.SendUntil),
	}
	if k.Attempt > 0 {
		h.Message = k.Message[:]
	}
	for _, m := range k.Held {
		h.Held = append(h.Held, m[:])
	}
	value, err := encodePlain(claimSchema, h)
	if err != nil {
		return k, false, err
	}
	version, err := c.rows.Commit(ctx, table.Put("l/"+string(k.Conversation), claimSK, value).IfVersion(k.version))
	if err == nil {
		k.version = version
		return k, true, nil
	}
	found, conflict := conflictOf(err)
	switch {
	case !conflict:
		return k, false, fmt.Errorf("write lane claim: %w", err)
	case found == nil:
		return Claim{Conversation: k.Conversation}, false, nil
	}
	now, err = decodeClaim(k.Conversation, *found)
	return now, false, err
}

func decodeClaim(conv model.ConversationID, row table.Row) (Claim, error) {
	var h claimHeader
	if _, err := decodeHeader(row.Value, claimSchema, &h); err != nil {
		return Claim{}, fmt.Errorf("read lane claim: %w", err)
	}
	k := Claim{
		Conversation: conv, Owner: h.Owner, Epoch: h.Epoch, Open: Position{N: h.N, Index: h.Index},
		Attempt: h.Attempt, SendUntil: h.SendUntil.Time(), version: row.Version,
	}
	if h.Attempt > 0 {
		if len(h.Message) != 16 {
			return Claim{}, model.Errorf(model.Corrupt, "read lane claim", "a key has 16 bytes")
		}
		k.Message = model.Random16(h.Message)
	}
	for _, m := range h.Held {
		if len(m) != 16 {
			return Claim{}, model.Errorf(model.Corrupt, "read lane claim", "a key has 16 bytes")
		}
		k.Held = append(k.Held, model.Random16(m))
	}
	return k, nil
}

// ActiveLane says that a lane has, or is about to have, work. The row is put
// before the lane entry and found at start.
type ActiveLane struct {
	Client       model.ClientID
	Conversation model.ConversationID

	version table.Version
}

type activeHeader struct {
	Since Milli `json:"c"`
}

func activePK(conv model.ConversationID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(conv))
	return fmt.Sprintf("active/%d", h.Sum32()%activeShards)
}

func activeSK(client model.ClientID, conv model.ConversationID) string {
	return string(client) + "/" + string(conv)
}

// PutActive notes that the lane has work. The lane entry that follows makes it
// durable.
func (s *Store) PutActive(ctx context.Context, client model.ClientID, conv model.ConversationID) (ActiveLane, error) {
	value, err := encodePlain(activeSchema, activeHeader{Since: Millis(s.now())})
	if err != nil {
		return ActiveLane{}, err
	}
	version, err := step(ctx, s.table.Hub(), table.Put(activePK(conv), activeSK(client, conv), value))
	if err != nil {
		return ActiveLane{}, fmt.Errorf("note active lane: %w", err)
	}
	return ActiveLane{Client: client, Conversation: conv, version: version}, nil
}

// RemoveActive takes the note back unless somebody has renewed it since.
func (s *Store) RemoveActive(ctx context.Context, a ActiveLane) error {
	_, err := s.table.Hub().Commit(ctx, table.Delete(activePK(a.Conversation), activeSK(a.Client, a.Conversation)).IfVersion(a.version))
	if _, conflict := conflictOf(err); conflict {
		return nil // renewed: whoever did so has work for it
	}
	if err != nil {
		return fmt.Errorf("remove active lane: %w", err)
	}
	return nil
}

// DropActive takes the note back, whoever has renewed it: the lane itself is
// gone.
func (s *Store) DropActive(ctx context.Context, client model.ClientID, conv model.ConversationID) error {
	if _, err := s.table.Hub().Commit(ctx, table.Delete(activePK(conv), activeSK(client, conv))); err != nil {
		return fmt.Errorf("remove active lane: %w", err)
	}
	return nil
}

// ActiveLanes returns every lane that is noted to have work.
func (s *Store) ActiveLanes(ctx context.Context) ([]ActiveLane, error) {
	var lanes []ActiveLane
	for shard := range activeShards {
		q := table.Query{PK: fmt.Sprintf("active/%d", shard), Limit: 500}
		for {
			page, err := s.table.Hub().Query(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("read active lanes: %w", err)
			}
			for _, row := range page.Rows {
				client, conv, ok := strings.Cut(row.SK, "/")
				if !ok {
					return nil, model.Errorf(model.Corrupt, "read active lanes", "a key has no client")
				}
				lanes = append(lanes, ActiveLane{model.ClientID(client), model.ConversationID(conv), row.Version})
				q.After = row.SK
			}
			if !page.More {
				break
			}
		}
	}
	return lanes, nil
}
