package store

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func (f *fixture) putRow(pk string, n uint64, records ...Record) {
	f.t.Helper()
	value, err := encodeLogRow(records)
	if err == nil {
		_, err = f.table.For("acme").Commit(f.t.Context(), table.Put(pk, rowSK(n), value))
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func numbers(rows []LogRow) []uint64 {
	out := []uint64{}
	for _, r := range rows {
		out = append(out, r.N)
	}
	return out
}

func TestReadStopsAtAMissingRow(t *testing.T) {
	f := newFixture(t)
	for _, n := range []uint64{1, 2, 4, 5} {
		f.putRow("f/0", n, record(int(n)))
	}
	l := f.log("f/0")
	for from, want := range map[uint64][]uint64{0: {1, 2}, 1: {2}, 2: {}, 3: {4, 5}, 5: {}, 900: {}} {
		rows, err := l.Read(t.Context(), from, 10)
		if err != nil || !cmp.Equal(numbers(rows), want) {
			t.Errorf("behind %d: %v, %v; want %v", from, numbers(rows), err, want)
		}
	}
	if rows, err := l.Read(t.Context(), 0, 1); err != nil || len(rows) != 1 {
		t.Errorf("with a limit of 1: %v, %v", numbers(rows), err)
	}
	// A record is not appended over a hole: it might be in there.
	if _, err := l.Append(t.Context(), record(9), 1); !model.Is(err, model.Corrupt) {
		t.Errorf("append to a log with a hole: %v, want corrupt", err)
	}
}

// TestFollow: whoever follows a log sees every row once and in order, whichever
// process wrote it, and those of this process without asking the table.
func TestFollow(t *testing.T) {
	f := newFixture(t)
	mine, other := f.log("f/0"), f.log("f/0")
	mine.keep = true
	const rows = 3 * keptRows
	var at uint64
	follow := func() {
		t.Helper()
		for {
			got, err := mine.Follow(t.Context(), at, 10)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				return
			}
			want, err := mine.Read(t.Context(), at, len(got))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("behind %d:\n%s", at, diff)
			}
			at = got[len(got)-1].N
		}
	}
	for n := range rows {
		l := mine
		if n%7 == 3 {
			l = other
		}
		f.append(l, n, uint64(n))
		if n%5 == 0 || n > 2*keptRows {
			follow()
		}
	}
	if follow(); at != rows {
		t.Errorf("it ended at row %d of %d", at, rows)
	}
	f.append(mine, rows, rows)
	if _, err := f.table.For("acme").Commit(t.Context(), table.Delete("f/0", rowSK(rows+1))); err != nil {
		t.Fatal(err)
	}
	if got, err := mine.Follow(t.Context(), rows, 10); err != nil || len(got) != 1 {
		t.Errorf("the row just appended was asked of the table: %v, %v", got, err)
	}
}

func TestFloor(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	for n := range 5 {
		f.append(l, n, uint64(n))
	}
	head, err := encodePlain(logSchema, logHead{Floor: 3})
	if err != nil {
		t.Fatal(err)
	}
	rows := f.table.For("acme")
	for _, op := range []table.Op{table.Put("f/0", logHeadSK, head), table.Delete("f/0", rowSK(1)), table.Delete("f/0", rowSK(2))} {
		if _, err := rows.Commit(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	// Row 3 lies below the floor and is not deleted yet: whoever stands before
	// it loses nothing.
	for from, code := range map[uint64]model.Code{0: model.NotFound, 1: model.NotFound, 2: "", 3: "", 4: "", 5: ""} {
		if _, err := l.Read(t.Context(), from, 10); model.CodeOf(err) != code {
			t.Errorf("behind %d: %v, want %q", from, err, code)
		}
	}
	back, err := l.ReadBack(t.Context(), 0, 10)
	if err != nil || !cmp.Equal(numbers(back), []uint64{5, 4, 3}) {
		t.Errorf("backwards: %v, %v", numbers(back), err)
	}
	back, err = l.ReadBack(t.Context(), 5, 1)
	if err != nil || !cmp.Equal(numbers(back), []uint64{4}) {
		t.Errorf("backwards from row 5: %v, %v", numbers(back), err)
	}
	// What was promised before the floor was read, or never will be.
	for name, l := range map[string]*Log{"remembered": l, "new process": f.log("f/0")} {
		if at := f.append(l, 1, 1); at == 0 || at > 3 {
			t.Errorf("%s: a repeat from below the floor was told row %d", name, at)
		}
	}
	if at := f.append(f.log("f/0"), 77, 5); at != 6 {
		t.Errorf("the next record is in row %d, want 6", at)
	}
	if floor, err := f.log("f/9").Floor(t.Context()); err != nil || floor != 0 {
		t.Errorf("floor of an empty log: %d, %v", floor, err)
	}
}

func TestLogsApart(t *testing.T) {
	f := newFixture(t)
	f.append(f.log("f/0"), 1, 0)
	f.append(f.log("f/1"), 1, 0)
	other := newLog(f.table.For("beta"), "f/0")
	if rows, err := other.Read(t.Context(), 0, 10); err != nil || len(rows) != 0 {
		t.Errorf("another client's log has rows %v, %v", numbers(rows), err)
	}
	// The claim of a lane lies behind its rows and is none of them.
	l := f.log("l/x")
	f.append(l, 1, 0)
	if _, err := f.table.For("acme").Commit(t.Context(), table.Put("l/x", claimSK, []byte("claim"))); err != nil {
		t.Fatal(err)
	}
	if at := f.append(f.log("l/x"), 2, 1); at != 2 {
		t.Errorf("row %d, want 2", at)
	}
}

func TestADamagedRowIsNotOverwritten(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	f.append(l, 0, 0)
	for name, value := range map[string][]byte{
		"another schema": {9, 2, '{', '}'}, "nothing": {}, "too long a header": {logSchema, 200, 1}, "no JSON": {logSchema, 1, 'x'},
		"a short key": append([]byte{logSchema, 25}, `{"r":[{"k":"e","i":"AA"}]}`...),
	} {
		if _, err := f.table.For("acme").Commit(t.Context(), table.Put("f/0", rowSK(2), value)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), record(1), 1); !model.Is(err, model.Corrupt) {
			t.Errorf("%s: append: %v, want corrupt", name, err)
		}
		if _, err := f.log("f/0").Read(t.Context(), 0, 10); !model.Is(err, model.Corrupt) {
			t.Errorf("%s: read: %v, want corrupt", name, err)
		}
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	want := Record{
		Kind: StatusRecord, Conversation: "cnv_1", Key: key(7), Seq: 3, Type: model.MessageStatus, Account: "a",
		Direction: model.Outbound, Old: model.Queued, New: model.Sent, At: Millis(f.Now()), Author: model.CSR,
	}
	if _, err := l.Append(t.Context(), want, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]Record{{want}}, f.all(f.log("f/0"))); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	// Kind, conversation, key and number make a record; another of any is
	// another record.
	others := []Record{want, want, want, want}
	others[0].Seq, others[1].Kind, others[2].Conversation, others[3].Key = 4, EventRecord, "cnv_2", key(8)
	for i, r := range others {
		if at, err := l.Append(t.Context(), r, 0); err != nil || at != uint64(i)+2 {
			t.Errorf("record %d: row %d, %v", i, at, err)
		}
	}
}

func TestPositions(t *testing.T) {
	in := []Position{{0, 0}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {10, 1}}
	for i, p := range in {
		for j, q := range in {
			if p.Less(q) != (i < j) {
				t.Errorf("%v < %v is %v", p, q, p.Less(q))
			}
		}
	}
	for _, n := range []uint64{1, 255, 256, 1 << 40} {
		if rowNumber(rowSK(n)) != n || rowSK(n) >= rowSK(n+1) || rowSK(n) <= logHeadSK || rowSK(n) >= claimSK {
			t.Error(fmt.Sprint("row ", n, " has no place of its own"))
		}
	}
}

func TestChangedWakesReaders(t *testing.T) {
	f := newFixture(t)
	l := f.log("f/0")
	changed := l.Changed()
	select {
	case <-changed:
		t.Fatal("woken by nothing")
	default:
	}
	f.append(l, 0, 0)
	<-changed
	changed = l.Changed()
	f.append(l, 0, 0) // is there already
	select {
	case <-changed:
		t.Error("woken, and the log has not grown")
	default:
	}
	// Rows of others wake too, once this process meets them.
	f.append(f.log("f/0"), 1, 1)
	f.append(l, 2, 1)
	<-changed
}
