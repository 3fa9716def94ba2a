package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// sealedRow is a row with a sealed body, as the table's driver got it.
type sealedRow struct {
	kind   string
	at     seal.Place
	key    seal.KeyID
	sealed []byte
}

// kinds are the rows of a client that have a sealed body, by their place.
var kinds = map[string]func(pk, sk string) bool{
	"contact":        func(pk, _ string) bool { return strings.HasPrefix(pk, "p/") },
	"conversation":   func(pk, sk string) bool { return strings.HasPrefix(pk, "v/") && sk == "t" },
	"event":          func(pk, sk string) bool { return strings.HasPrefix(pk, "v/") && strings.HasPrefix(sk, "e/") },
	"message":        func(pk, sk string) bool { return strings.HasPrefix(pk, "v/") && strings.HasPrefix(sk, "m/") },
	"letter content": func(pk, sk string) bool { return strings.HasPrefix(pk, "dl/") && strings.HasPrefix(sk, "p/") },
	"kept secret":    func(pk, sk string) bool { return strings.HasPrefix(pk, "a/") && strings.HasPrefix(sk, "k/") },
	"attachment":     func(pk, sk string) bool { return strings.HasPrefix(pk, "a/att_") && sk == "a" },
	"state":          func(pk, _ string) bool { return strings.HasPrefix(pk, "s/") },
}

// classes are the keys of rows that belong to no contact.
var classes = []seal.KeyID{letterKey, secretKey, attachmentKey, stateKey}

// TestMovedRowsDoNotOpen writes two rows of each kind that has a sealed body,
// and puts each ciphertext where another row lies: of its kind, of each other
// kind, of another client, and of another hub's table, under every key that
// there is. It opens in its own place alone (I6, I8).
func TestMovedRowsDoNotOpen(t *testing.T) {
	here, there := newFixture(t), newFixture(t)
	acme, other, away := here.client("acme"), here.client("other"), there.client("acme")
	var ops []driver.Op
	here.gate.After(func(landed []driver.Op) error {
		ops = append(ops, landed...)
		return nil
	})
	keys := slices.Clone(classes)
	for n := range 2 {
		keys = append(keys, writeSealed(t, here, acme, n))
	}
	here.gate.After(nil)
	rows := sealedRows(t, acme, ops)

	// The keys are there under the same names for the other client and in the
	// other table: what does not open does so for its place, not for a name.
	for _, c := range []*Client{acme, other, away} {
		for _, k := range keys {
			if err := c.seal.CreateKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}
	byKind := map[string]int{}
	for i, from := range rows {
		byKind[from.kind]++
		if _, err := acme.seal.Open(t.Context(), from.key, from.at, from.sealed); err != nil {
			t.Errorf("%s does not open in its own place: %v", from.kind, err)
		}
		shut := func(where string, c *Client, at seal.Place) {
			for _, k := range keys {
				if _, err := c.seal.Open(t.Context(), k, at, from.sealed); !model.Is(err, model.Corrupt) {
					t.Errorf("a %s in %s opens under %s: %v, want corrupt", from.kind, where, k, err)
				}
			}
		}
		for j, to := range rows {
			if i != j {
				shut("the place of a "+to.kind, acme, to.at)
			}
		}
		foreign := from.at
		foreign.PK = other.root + strings.TrimPrefix(from.at.PK, acme.root)
		shut("the place of another client", other, foreign)
		shut("its own place, read as another client", other, from.at)
		shut("its own place in another table", away, from.at)
	}
	want := map[string]int{}
	for kind := range maps.Keys(kinds) {
		want[kind] = 2
	}
	if diff := cmp.Diff(want, byKind); diff != "" {
		t.Errorf("rows that were looked at (-want +got):\n%s", diff)
	}
}

// writeSealed writes one row of each kind that has a sealed body, for a contact
// of its own, and returns the contact's key.
func writeSealed(t *testing.T, f *fixture, c *Client, n int) seal.KeyID {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := f.met(c, fmt.Sprintf("1555000%d", n))
	_, _, err := c.PutConversation(ctx, f.conversation(d))
	check(err)
	e := f.event(d, n+1)
	e.Key, err = c.EventKey(ctx, "acct", fmt.Sprint("in-", n))
	check(err)
	_, _, err = c.PutEvent(ctx, e)
	check(err)
	_, err = c.CreateOutbound(ctx, f.outbound(d, n+1))
	check(err)
	_, err = c.PutLetterContent(ctx, DeadLetter{UUID: key(n + 1), Expires: f.Now().Add(time.Hour)}, []byte("a request"))
	check(err)
	check(c.PutSecret(ctx, "acct", fmt.Sprint("token", n), "a secret"))
	_, _, err = c.PutAttachment(ctx, Attachment{ID: model.NewAttachmentID(), State: model.AttachmentReady, Name: "a.txt", Ends: f.Now().Add(time.Hour)})
	check(err)
	_, err = c.PutState(ctx, "acct", State{Key: fmt.Sprint("k", n), Value: []byte("v")}, 0, 0)
	check(err)
	return d.Key()
}

// sealedRows takes the rows with a sealed body out of what was written, and
// demands that every body is either of a known kind or none.
func sealedRows(t *testing.T, c *Client, ops []driver.Op) []sealedRow {
	t.Helper()
	var out []sealedRow
	for _, op := range ops {
		pk, own := strings.CutPrefix(op.PK, c.root)
		if op.Kind != driver.OpPut || !own || strings.HasPrefix(pk, "k/") {
			continue // a wrapped key is no record: package seal tests that it does not move
		}
		size, used := binary.Uvarint(op.Value[1:])
		head, body := op.Value[1+used:1+used+int(size)], op.Value[1+used+int(size):]
		if len(body) == 0 {
			continue
		}
		row := sealedRow{at: seal.Place{PK: op.PK, SK: op.SK, Schema: op.Value[0]}, sealed: body}
		for kind, is := range kinds {
			if is(pk, op.SK) {
				row.kind = kind
			}
		}
		switch row.kind {
		case "contact":
			row.key = seal.ContactKey(model.ContactID(pk[2:]))
		case "letter content":
			row.key = letterKey
		case "kept secret":
			row.key = secretKey
		case "state":
			row.key = stateKey
		case "attachment":
			row.key = attachmentKey
		case "":
			t.Errorf("a row of no known kind has a body: %s %s", op.PK, op.SK)
			continue
		default:
			var h struct {
				Key seal.KeyID `json:"k"`
			}
			if err := json.Unmarshal(head, &h); err != nil {
				t.Fatal(err)
			}
			row.key = h.Key
		}
		out = append(out, row)
	}
	return out
}
