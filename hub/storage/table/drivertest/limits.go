package drivertest

import (
	"strings"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

func testOpLimits(f *fixture) {
	puts := func(n int) []table.Op {
		ops := make([]table.Op, n)
		for i := range ops {
			ops[i] = table.Put("p", numbered(i), []byte(numbered(i))).IfAbsent()
		}
		return ops
	}
	f.refused("no op")
	f.refused("101 ops", puts(driver.MaxCommitOps+1)...)
	f.equal("rows after refused commits", f.all(table.Query{PK: "p", Limit: 10}), []string(nil))
	f.commit(puts(driver.MaxCommitOps)...)
	if n := len(f.all(table.Query{PK: "p", Limit: 1000})); n != driver.MaxCommitOps {
		f.Errorf("%d rows, want %d", n, driver.MaxCommitOps)
	}
}

func testSizeLimits(f *fixture) {
	// The partition key counts with its root.
	root := len("c/" + newClient() + "/")
	pk := strings.Repeat("\x00", driver.MaxKeyBytes-root)
	sk := strings.Repeat("\x00", driver.MaxKeyBytes)
	value := []byte(strings.Repeat("v", driver.MaxValueBytes))
	f.commit(table.Put(pk, sk, value))
	f.wantValue(pk, sk, string(value))
	f.commit(table.Delete(pk, sk))

	f.refused("long partition key", table.Put(pk+"x", "s", nil))
	f.refused("long sort key", table.Put("p", sk+"x", nil))
	f.refused("empty partition key", table.Put("", "s", nil))
	f.refused("empty sort key", table.Put("p", "", nil))
	f.refused("large value", table.Put("p", "s", append(value, 'v')))
	f.refused("delete with an expiry", table.Delete("p", "s").ExpireAt(start))
	for _, at := range [][2]string{{"", "s"}, {"p", ""}, {pk + "x", "s"}, {"p", sk + "x"}} {
		_, err := f.rows.Get(f.ctx, at[0], at[1])
		f.wantCode(err, model.Invalid)
	}

	// Ten of the largest values and one that fills the commit to the byte.
	keys := root + len("p") + len(numbered(0))
	ops := make([]table.Op, 0, 11)
	left := driver.MaxCommitBytes
	for left > driver.MaxValueBytes+keys {
		ops = append(ops, table.Put("p", numbered(len(ops)), value))
		left -= len(value) + keys
	}
	last := value[:left-keys]
	f.refused("large commit", append(ops, table.Put("p", numbered(len(ops)), value[:len(last)+1]))...)
	f.commit(append(ops, table.Put("p", numbered(len(ops)), last))...)
	f.wantValue("p", numbered(0), string(value))
	f.wantValue("p", numbered(len(ops)), string(last))
}

func testRowTwice(f *fixture) {
	f.refused("put twice", table.Put("p", "s", nil), table.Put("p", "s", nil))
	f.refused("check and put", table.Check("p", "s").IfAbsent(), table.Put("q", "s", nil), table.Put("p", "s", nil))
	f.wantValue("p", "s", "<none>")
	f.wantValue("q", "s", "<none>")
}

func testQueryLimits(f *fixture) {
	long := strings.Repeat("x", driver.MaxKeyBytes+1)
	for _, q := range []table.Query{
		{PK: "p"},
		{PK: "p", Limit: -1},
		{PK: "p", Limit: table.MaxLimit + 1},
		{Limit: 1},
		{PK: long, Limit: 1},
		{PK: "p", From: long, Limit: 1},
		{PK: "p", To: long, Limit: 1},
		{PK: "p", After: long, Limit: 1},
	} {
		_, err := f.rows.Query(f.ctx, q)
		f.wantCode(err, model.Invalid)
	}
	var sks []string
	for i := range table.MaxLimit + 1 {
		sks = append(sks, numbered(i))
	}
	f.put("p", sks...)
	got, more := f.page(table.Query{PK: "p", Limit: table.MaxLimit})
	f.equal("page", got, sks[:table.MaxLimit])
	if !more {
		f.Error("no more rows, want one more")
	}
}

// refused demands that a commit is invalid.
func (f *fixture) refused(what string, ops ...table.Op) {
	f.Helper()
	if _, err := f.rows.Commit(f.ctx, ops...); !model.Is(err, model.Invalid) {
		f.Errorf("%s: error = %v, want code %q", what, err, model.Invalid)
	}
}

// testRoots looks for a way from one handle to the rows of another.
func testRoots(f *fixture) {
	client := newClient()
	longer := client + "b"
	handles := map[string]table.Handle{
		"client": f.table.For(client), "longer": f.table.For(longer), "other": f.rows, "hub": f.table.Hub(),
	}
	// Partition keys that would be another's if roots were not ended. The
	// hub's root is shared by all tests, so its keys carry a fresh id.
	id := string(client)
	pks := []string{id, "b/" + id, "/" + id, "../" + id, "c/" + id + "/" + id, "h/" + id}
	for name, h := range handles {
		for _, pk := range pks {
			if _, err := h.Commit(f.ctx, table.Put(pk, "s", []byte(name)).IfAbsent()); err != nil {
				f.Fatalf("%s: put %q: %v", name, pk, err)
			}
		}
	}
	for name, h := range handles {
		for _, pk := range pks {
			row, err := h.Get(f.ctx, pk, "s")
			if err != nil || string(row.Value) != name || row.PK != pk {
				f.Errorf("%s: row at %q = %+v, %v; want its own", name, pk, row, err)
			}
			page, err := h.Query(f.ctx, table.Query{PK: pk, Limit: 10})
			if err != nil || len(page.Rows) != 1 || string(page.Rows[0].Value) != name {
				f.Errorf("%s: query of %q = %+v, %v; want its own row", name, pk, page, err)
			}
		}
	}
	if f.table.For(client) != handles["client"] || f.table.For(client) == handles["longer"] {
		f.Error("handles do not compare by what they reach")
	}
	for _, bad := range []model.ClientID{"", "a/b", "A", "../a", "a\x00", model.ClientID(strings.Repeat("a", 41))} {
		func() {
			defer func() {
				if recover() == nil {
					f.Errorf("a handle for the id %q", bad)
				}
			}()
			f.table.For(bad)
		}()
	}
}
