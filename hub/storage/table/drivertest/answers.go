package drivertest

import (
	"errors"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// testLostAnswers lets commits of every kind land while their answer is lost:
// the caller hears of success and the rows are written once.
func testLostAnswers(f *fixture) {
	type rows = map[string]string
	for name, test := range map[string]struct {
		ops   func(v table.Version) []table.Op
		after rows // what is at ("p", sk); "" for no row
	}{
		"put":            {func(table.Version) []table.Op { return ops(table.Put("p", "n", []byte("x"))) }, rows{"n": "x"}},
		"put if absent":  {func(table.Version) []table.Op { return ops(table.Put("p", "n", []byte("x")).IfAbsent()) }, rows{"n": "x"}},
		"put if version": {func(v table.Version) []table.Op { return ops(table.Put("p", "a", []byte("x")).IfVersion(v)) }, rows{"a": "x"}},
		"put, check first": {func(v table.Version) []table.Op {
			return ops(table.Check("p", "b").IfVersion(v), table.Put("p", "n", []byte("x")).IfAbsent())
		}, rows{"n": "x", "b": "b"}},
		"delete":            {func(table.Version) []table.Op { return ops(table.Delete("p", "a")) }, rows{"a": ""}},
		"delete if version": {func(v table.Version) []table.Op { return ops(table.Delete("p", "a").IfVersion(v)) }, rows{"a": ""}},
		"delete if absent":  {func(table.Version) []table.Op { return ops(table.Delete("p", "n").IfAbsent()) }, rows{"n": ""}},
		"deletes and check": {func(v table.Version) []table.Op {
			return ops(table.Delete("p", "a").IfVersion(v), table.Check("p", "b").IfVersion(v), table.Delete("p", "n"))
		}, rows{"a": "", "b": "b", "n": ""}},
		"check": {func(v table.Version) []table.Op { return ops(table.Check("p", "a").IfVersion(v)) }, rows{"a": "a"}},
		"delete before put": {func(v table.Version) []table.Op {
			return ops(table.Delete("p", "a").IfVersion(v), table.Put("p", "n", []byte("x")))
		}, rows{"a": "", "n": "x"}},
	} {
		f.rows = f.table.For(newClient())
		v := f.commit(table.Put("p", "a", []byte("a")), table.Put("p", "b", []byte("b")))
		f.flaky.Next(LoseAnswer, LoseAnswer)
		f.flaky.DropGets(1) // the read-back must survive a fault of its own
		stamp, err := f.rows.Commit(f.ctx, test.ops(v)...)
		f.flaky.DropGets(0)
		f.flaky.Next()
		if err != nil {
			f.Errorf("%s: %v", name, err)
		}
		for sk, want := range test.after {
			row, err := f.rows.Get(f.ctx, "p", sk)
			switch {
			case want == "" && !model.Is(err, model.NotFound):
				f.Errorf("%s: row %q = %q, %v; want none", name, sk, row.Value, err)
			case want != "" && (err != nil || string(row.Value) != want):
				f.Errorf("%s: row %q = %q, %v; want %q", name, sk, row.Value, err, want)
			case want == "x" && row.Version != stamp:
				f.Errorf("%s: row %q has version %x, want the one returned, %x", name, sk, row.Version, stamp)
			}
		}
	}

	f.rows = f.table.For(newClient())
	f.flaky.Next(LoseAnswer)
	f.flaky.Then(func() { f.commit(table.Put("p", "one", []byte("theirs"))) })
	if _, err := f.rows.Commit(f.ctx, table.Put("p", "one", []byte("mine")).IfAbsent(), table.Put("p", "two", []byte("mine"))); err != nil {
		f.Errorf("landed, one of two rows written over since: %v", err)
	}
	f.wantValue("p", "one", "theirs")
	f.wantValue("p", "two", "mine")
}

// testRefusedAnswers covers answers after which nothing was written.
func testRefusedAnswers(f *fixture) {
	for _, fault := range []Fault{Drop, Throttle} {
		f.rows = f.table.For(newClient())
		f.flaky.Next(fault, fault)
		f.commit(table.Put("p", "s", []byte("x")).IfAbsent())
		f.wantValue("p", "s", "x")
	}

	// Another writer wins between the two attempts.
	conflict := func(name string, op table.Op, theirs table.Op, want string) {
		f.Helper()
		f.flaky.Next(Drop)
		f.flaky.Then(func() { f.commit(theirs) })
		_, err := f.rows.Commit(f.ctx, op)
		c, ok := errors.AsType[*table.ConflictError](err)
		if !ok || c.Found == nil || string(c.Found.Value) != want {
			f.Errorf("%s: error = %v, want a conflict with the other writer's row", name, err)
		}
		f.wantValue("p", "s", want)
	}
	f.rows = f.table.For(newClient())
	conflict("put", table.Put("p", "s", nil).IfAbsent(), table.Put("p", "s", []byte("first")), "first")
	row, err := f.rows.Get(f.ctx, "p", "s")
	if err != nil {
		f.Fatal(err)
	}
	conflict("delete", table.Delete("p", "s").IfVersion(row.Version), table.Put("p", "s", []byte("second")), "second")
	conflict("check", table.Check("p", "s").IfVersion(row.Version), table.Put("p", "s", []byte("third")), "third")

	// Gone is what a delete asked for, whoever did it.
	row, err = f.rows.Get(f.ctx, "p", "s")
	if err != nil {
		f.Fatal(err)
	}
	f.flaky.Next(Drop)
	f.flaky.Then(func() { f.commit(table.Delete("p", "s")) })
	if _, err := f.rows.Commit(f.ctx, table.Delete("p", "s").IfVersion(row.Version)); err != nil {
		f.Errorf("delete of a row that went meanwhile: %v", err)
	}
	// Without a lost answer the same is a conflict.
	_, err = f.rows.Commit(f.ctx, table.Delete("p", "s").IfVersion(row.Version))
	f.wantCode(err, model.Precondition)
}

func ops(o ...table.Op) []table.Op { return o }
