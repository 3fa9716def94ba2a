package drivertest

import (
	"errors"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

func testConditions(f *fixture) {
	old := f.commit(table.Put("p", "old", nil)) // a version that no row below has
	kinds := map[string]func(pk, sk string) table.Op{
		"put":    func(pk, sk string) table.Op { return table.Put(pk, sk, []byte("new")) },
		"delete": table.Delete,
		"check":  table.Check,
	}
	for kind, op := range kinds {
		for _, present := range []bool{false, true} {
			for cond, refine := range map[string]func(o table.Op, now table.Version) table.Op{
				"any":     func(o table.Op, _ table.Version) table.Op { return o },
				"absent":  func(o table.Op, _ table.Version) table.Op { return o.IfAbsent() },
				"none":    func(o table.Op, _ table.Version) table.Op { return o.IfVersion(table.Version{}) },
				"version": func(o table.Op, now table.Version) table.Op { return o.IfVersion(now) },
				"other":   func(o table.Op, _ table.Version) table.Op { return o.IfVersion(old) },
			} {
				name := fmt.Sprintf("%s if %s, present %v", kind, cond, present)
				now, before := old, "<none>"
				if present {
					now, before = f.commit(table.Put(name, "s", []byte("row"))), "row"
				}
				_, err := f.rows.Commit(f.ctx, refine(op(name, "s"), now))
				holds := cond == "any" || (cond == "version" && present) || ((cond == "absent" || cond == "none") && !present)
				after := before
				if holds {
					f.equal(name, err, error(nil))
					switch kind {
					case "put":
						after = "new"
					case "delete":
						after = "<none>"
					}
				} else {
					f.wantCode(err, model.Precondition)
				}
				f.wantValue(name, "s", after)
			}
		}
	}
}

func testFound(f *fixture) {
	v := f.commit(table.Put("p", "s", []byte("found")))
	for name, op := range map[string]table.Op{
		"put if absent":     table.Put("p", "s", nil).IfAbsent(),
		"delete if version": table.Delete("p", "s").IfVersion(table.Version{1}),
		"check if absent":   table.Check("p", "s").IfAbsent(),
	} {
		_, err := f.rows.Commit(f.ctx, table.Put("p", "other", nil), op)
		c, ok := errors.AsType[*table.ConflictError](err)
		if !ok {
			f.Fatalf("%s: error = %v, want a conflict", name, err)
		}
		f.wantCode(err, model.Precondition)
		want := &table.Row{PK: "p", SK: "s", Value: []byte("found"), Version: v}
		f.equal(name, c, &table.ConflictError{Index: 1, Found: want})
	}
	_, err := f.rows.Commit(f.ctx, table.Check("p", "none").IfVersion(v))
	c, ok := errors.AsType[*table.ConflictError](err)
	if !ok || c.Index != 0 || c.Found != nil {
		f.Errorf("error = %#v, want a conflict of op 0 with no row", err)
	}
	// The first failed condition in the order of the ops is the one told.
	_, err = f.rows.Commit(f.ctx, table.Put("a", "s", nil), table.Check("z", "s").IfVersion(v), table.Check("p", "s").IfAbsent())
	if c, ok := errors.AsType[*table.ConflictError](err); !ok || c.Index != 1 {
		f.Errorf("error = %v, want a conflict of op 1", err)
	}
}

// testAtomicAtEveryOp fails a commit of all kinds at each of its ops in turn,
// and looks that every row, over several partitions, is as it was.
func testAtomicAtEveryOp(f *fixture) {
	const n = 12
	pk := func(i int) string { return fmt.Sprintf("p%d", i%3) }
	versions := make([]table.Version, n)
	for i := range n {
		if i%2 == 0 {
			versions[i] = f.commit(table.Put(pk(i), numbered(i), []byte("before")))
		}
	}
	build := func(bad int) []table.Op {
		ops := make([]table.Op, n)
		for i := range n {
			op := table.Put(pk(i), numbered(i), []byte("after"))
			switch i % 6 {
			case 2:
				op = table.Delete(pk(i), numbered(i))
			case 3, 4:
				op = table.Check(pk(i), numbered(i))
			}
			op = op.IfVersion(versions[i])
			if i == bad {
				op = op.IfVersion(table.Version{0xbad & 0xff})
			}
			ops[i] = op
		}
		return ops
	}
	for bad := range n {
		_, err := f.rows.Commit(f.ctx, build(bad)...)
		c, ok := errors.AsType[*table.ConflictError](err)
		if !ok || c.Index != bad {
			f.Fatalf("error = %v, want a conflict of op %d", err, bad)
		}
		for i := range n {
			want := "<none>"
			if i%2 == 0 {
				want = "before"
			}
			f.wantValue(pk(i), numbered(i), want)
		}
	}
	f.commit(build(-1)...)
	for i := range n {
		f.wantValue(pk(i), numbered(i), []string{"after", "after", "<none>", "<none>", "before", "after"}[i%6])
	}
}
