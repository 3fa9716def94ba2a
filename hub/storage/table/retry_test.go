package table_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// scripted is a driver that answers from lists; the last answer repeats.
type scripted struct {
	commits, gets []error
	found         driver.Row // what a Get without error returns
	calls         []time.Time
	ids           []driver.ID
}

func (s *scripted) answer(from *[]error) error {
	s.calls = append(s.calls, time.Now())
	err := (*from)[0]
	if len(*from) > 1 {
		*from = (*from)[1:]
	}
	return err
}

func (s *scripted) Commit(_ context.Context, id driver.ID, _ []driver.Op) (driver.Cost, error) {
	s.ids = append(s.ids, id)
	return driver.Cost{WriteUnits: 1}, s.answer(&s.commits)
}

func (s *scripted) Get(context.Context, driver.Key) (driver.Row, driver.Cost, error) {
	return s.found, driver.Cost{ReadUnits: 1}, s.answer(&s.gets)
}

func (s *scripted) Query(context.Context, driver.Query) (driver.Page, driver.Cost, error) {
	return driver.Page{More: true}, driver.Cost{}, nil
}

func (s *scripted) Close() error { return nil }

var (
	unavailable = model.Errorf(model.Unavailable, "test", "away")
	throttled   = model.Errorf(model.Throttled, "test", "too many")
	denied      = model.Errorf(model.Denied, "test", "not allowed")
	missing     = model.Errorf(model.NotFound, "test", "no such row")
)

func TestRetriesUntilTimeIsUp(t *testing.T) {
	for name, test := range map[string]struct {
		limit time.Duration // of the context; 0: none
		err   error
		end   time.Duration // when the call is over, at the latest
		least int           // attempts, at least
	}{
		"no deadline":    {0, unavailable, 3 * time.Second, 6},
		"deadline":       {20 * time.Second, unavailable, 20 * time.Second, 20},
		"short deadline": {5 * time.Millisecond, throttled, 5 * time.Millisecond, 1},
		"throttled":      {0, throttled, 3 * time.Second, 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if test.limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.limit)
				}
				defer cancel()
				d := &scripted{gets: []error{test.err}}
				begin := time.Now()
				_, err := table.New(d, nil).Hub().Get(ctx, "p", "s")
				if !errors.Is(err, test.err) || model.CodeOf(err) != model.CodeOf(test.err) {
					t.Errorf("error = %v, want the driver's", err)
				}
				if took := time.Since(begin); took > test.end {
					t.Errorf("gave up after %v, want at most %v", took, test.end)
				}
				if len(d.calls) < test.least {
					t.Errorf("%d attempts, want at least %d", len(d.calls), test.least)
				}
				// Full jitter under 10 ms, 20 ms, ... 1 s.
				bound := 10 * time.Millisecond
				for i := 1; i < len(d.calls); i++ {
					if pause := d.calls[i].Sub(d.calls[i-1]); pause <= 0 || pause > bound {
						t.Errorf("pause %d was %v, want within %v", i, pause, bound)
					}
					bound = min(2*bound, time.Second)
				}
			})
		})
	}
}

func TestRetryWaitsAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &scripted{gets: []error{&model.Error{Code: model.Throttled, RetryAfter: 2 * time.Second}, missing}}
		_, err := table.New(d, nil).Hub().Get(t.Context(), "p", "s")
		if !model.Is(err, model.NotFound) || len(d.calls) != 2 {
			t.Fatalf("error = %v after %d attempts", err, len(d.calls))
		}
		if pause := d.calls[1].Sub(d.calls[0]); pause < 2*time.Second {
			t.Errorf("waited %v, was told 2 s", pause)
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		d := &scripted{commits: []error{unavailable}}
		begin := time.Now()
		_, err := table.New(d, nil).Hub().Commit(ctx, table.Put("p", "s", nil))
		if !model.Is(err, model.Unavailable) || !errors.Is(err, context.Canceled) || !errors.Is(err, unavailable) {
			t.Errorf("error = %v, want both causes", err)
		}
		if took := time.Since(begin); took > 50*time.Millisecond {
			t.Errorf("ended %v after its context", took-50*time.Millisecond)
		}
	})
}

// TestCommitCertainty says what a caller may conclude from each ending.
func TestCommitCertainty(t *testing.T) {
	conflict := &driver.ConflictError{}
	put := []table.Op{table.Put("p", "s", nil).IfAbsent()}
	for name, test := range map[string]struct {
		commits, gets []error
		ops           []table.Op
		want          model.Code // "" for success
	}{
		"denied at once":                         {[]error{denied}, nil, put, model.Unavailable},
		"denied after throttling":                {[]error{throttled, denied}, nil, put, model.Unavailable},
		"denied after an ambiguous answer":       {[]error{unavailable, denied}, nil, put, model.Unavailable},
		"throttled to the end":                   {[]error{throttled}, nil, put, model.Throttled},
		"throttled after an ambiguous answer":    {[]error{unavailable, throttled}, nil, put, model.Unavailable},
		"conflict at once":                       {[]error{conflict}, nil, put, model.Precondition},
		"conflict after throttling":              {[]error{throttled, conflict}, nil, put, model.Precondition},
		"conflict, nothing of ours there":        {[]error{unavailable, conflict}, []error{missing}, put, model.Precondition},
		"conflict, another's row there":          {[]error{unavailable, conflict}, []error{nil}, put, model.Precondition},
		"conflict, stamp unreadable for good":    {[]error{unavailable, conflict}, []error{denied}, put, model.Unavailable},
		"conflict, stamp unreadable for now":     {[]error{unavailable, conflict}, []error{unavailable, missing}, put, model.Precondition},
		"delete, gone":                           {[]error{unavailable, conflict}, []error{missing}, []table.Op{table.Delete("p", "s").IfVersion(table.Version{1})}, ""},
		"delete, still there":                    {[]error{unavailable, conflict}, []error{nil}, []table.Op{table.Delete("p", "s").IfVersion(table.Version{1})}, model.Precondition},
		"delete gone, put not there":             {[]error{unavailable, conflict}, []error{missing}, []table.Op{table.Delete("p", "s").IfVersion(table.Version{1}), put[0]}, model.Invalid},
		"delete gone, put elsewhere not there":   {[]error{unavailable, conflict}, []error{missing}, []table.Op{table.Delete("p", "s").IfVersion(table.Version{1}), table.Put("p", "t", nil)}, model.Precondition},
		"check, conflict after ambiguous answer": {[]error{unavailable, conflict}, []error{missing}, []table.Op{table.Check("p", "s").IfVersion(table.Version{1})}, model.Precondition},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &scripted{commits: test.commits, gets: test.gets, found: driver.Row{Version: driver.ID{7}}}
				v, err := table.New(d, nil).Hub().Commit(t.Context(), test.ops...)
				if got := model.CodeOf(err); got != test.want {
					t.Errorf("error = %v, want code %q", err, test.want)
				}
				if (err == nil) != (v != table.Version{}) {
					t.Errorf("version %x with error %v", v, err)
				}
				for _, id := range d.ids {
					if id != d.ids[0] {
						t.Errorf("attempts under the ids %x", d.ids)
					}
				}
			})
		})
	}
}

func TestQueryRefusesADriverThatNeverEnds(t *testing.T) {
	_, err := table.New(&scripted{}, nil).Hub().Query(t.Context(), table.Query{PK: "p", Limit: 1})
	if !model.Is(err, model.Internal) {
		t.Errorf("error = %v, want code %q", err, model.Internal)
	}
}

func TestSweepWithoutASweeper(t *testing.T) {
	if n, err := table.New(&scripted{}, nil).Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep() = %d, %v; want nothing to do", n, err)
	}
}

// TestOpsAreValues demands that refining an op leaves the original as it was.
func TestOpsAreValues(t *testing.T) {
	d := &scripted{commits: []error{nil}}
	h := table.New(d, nil).Hub()
	plain := table.Delete("p", "s")
	_ = plain.ExpireAt(time.Now()).IfVersion(table.Version{1}).Exact()
	if _, err := h.Commit(t.Context(), plain); err != nil {
		t.Errorf("a delete that was refined elsewhere: %v", err)
	}
}
