package drivertest

import (
	"errors"

	"github.com/channelhub/channelhub/hub/storage/table"
)

// testSteps runs steps as the driver likes them best, and as commits of their
// own, which is how those run that meddle with a driver.
func testSteps(f *fixture) {
	direct := table.New(f.flaky.Driver, &table.Options{Now: f.clock.Now, OnCost: f.spent.add})
	for _, rows := range []table.Handle{direct.For(newClient()), f.rows} {
		f.rows = rows
		f.spent.take()
		versions, err := rows.CommitSteps(f.ctx,
			table.Put("p", "a", []byte("1")).IfAbsent(), table.Put("p", "b", []byte("1")).IfAbsent(), table.Put("q", "c", []byte("1")).IfAbsent())
		if err != nil || len(versions) != 3 {
			f.Fatalf("three steps gave %v, %v", versions, err)
		}
		var spent float64
		for _, c := range f.spent.take() {
			spent += c.WriteUnits
		}
		if spent != 3 {
			f.Errorf("three steps cost %v write units, want 3", spent)
		}

		// The first row is found by the version that the steps gave it.
		_, err = rows.CommitSteps(f.ctx,
			table.Put("p", "a", []byte("2")).IfVersion(versions[0]), table.Put("p", "b", []byte("2")).IfAbsent(), table.Put("q", "c", []byte("2")))
		c, ok := errors.AsType[*table.ConflictError](err)
		if !ok || c.Index != 1 || c.Found == nil || c.Found.Version != versions[1] || string(c.Found.Value) != "1" {
			f.Fatalf("a condition that failed at the second step gave %v", err)
		}
		first := "2"
		if rows.StepsTogether() {
			first = "1"
		}
		f.wantValue("p", "a", first)
		f.wantValue("p", "b", "1")
		f.wantValue("q", "c", "1")
	}
}
