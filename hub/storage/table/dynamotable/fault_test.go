package dynamotable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// secretPart is part of a key, which no error may tell.
const secretPart = "a-key-that-must-not-be-told"

func TestFaultsHaveTheirCodes(t *testing.T) {
	cfg := config(t)
	opts := provisioned(t, cfg)
	proxy := awslocal.NewProxy(t, opts.Endpoint)
	opts.Endpoint = proxy.URL
	st := open(t.Context(), t, cfg, opts)
	one := []driver.Op{{Kind: driver.OpPut, Key: driver.Key{PK: "h/" + secretPart, SK: "s"}, Value: []byte("v")}}
	two := append(one[:1:1], driver.Op{Kind: driver.OpPut, Key: driver.Key{PK: "h/" + secretPart, SK: "t"}})
	for fault, want := range map[awslocal.Fault]model.Code{
		awslocal.Throttle: model.Throttled,
		awslocal.Deny:     model.Denied,
		awslocal.Break:    model.Unavailable,
		awslocal.Cut:      model.Unavailable,
		awslocal.Hang:     model.Unavailable,
	} {
		proxy.Set(fault)
		for name, call := range map[string]func(ctx context.Context) error{
			"get": func(ctx context.Context) error { _, _, err := st.Get(ctx, one[0].Key); return err },
			"query": func(ctx context.Context) error {
				_, _, err := st.Query(ctx, driver.Query{PK: one[0].PK, Limit: 1})
				return err
			},
			"put":         func(ctx context.Context) error { _, err := st.Commit(ctx, driver.ID{1}, one); return err },
			"transaction": func(ctx context.Context) error { _, err := st.Commit(ctx, driver.ID{2}, two); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if fault == awslocal.Hang {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			before := proxy.Calls()
			err := call(ctx)
			cancel()
			if !model.Is(err, want) {
				t.Errorf("fault %d, %s: error = %v, want code %q", fault, name, err, want)
			}
			if n := proxy.Calls() - before; n != 1 {
				t.Errorf("fault %d, %s: %d calls; a driver never retries", fault, name, n)
			}
			if err != nil && strings.Contains(err.Error(), secretPart) {
				t.Errorf("fault %d, %s: the error tells a key: %v", fault, name, err)
			}
		}
	}
	proxy.Set(awslocal.Pass)
	if _, _, err := st.Get(t.Context(), one[0].Key); !model.Is(err, model.NotFound) {
		t.Errorf("get: %v; nothing was to be written", err)
	}
}

// TestAnswersLostOnTheWire lets DynamoDB carry a commit out and loses the
// answer, twice: the caller hears of success and the rows are written once.
func TestAnswersLostOnTheWire(t *testing.T) {
	cfg := config(t)
	opts := provisioned(t, cfg)
	proxy := awslocal.NewProxy(t, opts.Endpoint)
	opts.Endpoint = proxy.URL
	tbl := table.New(open(t.Context(), t, cfg, opts), nil)
	rows := tbl.For("acme")
	for name, ops := range map[string][]table.Op{
		"one":         {table.Put("p", "one", []byte("x")).IfAbsent()},
		"transaction": {table.Put("p", "a", []byte("x")).IfAbsent(), table.Put("p", "b", []byte("x")).IfAbsent()},
	} {
		proxy.Next(awslocal.LoseAnswer, awslocal.LoseAnswer)
		v, err := rows.Commit(t.Context(), ops...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The same again is another commit: it meets the rows.
		_, err = rows.Commit(t.Context(), ops...)
		c, ok := errors.AsType[*table.ConflictError](err)
		if !ok || c.Found == nil || c.Found.Version != v {
			t.Errorf("%s again: error = %v, want a conflict with the first commit's row", name, err)
		}
	}
}

// TestRecoversFromThrottling lets the portable type wait a throttled spell out.
func TestRecoversFromThrottling(t *testing.T) {
	cfg := config(t)
	opts := provisioned(t, cfg)
	proxy := awslocal.NewProxy(t, opts.Endpoint)
	opts.Endpoint = proxy.URL
	rows := table.New(open(t.Context(), t, cfg, opts), nil).Hub()
	proxy.Next(awslocal.Throttle, awslocal.Break, awslocal.Throttle, awslocal.Cut)
	if _, err := rows.Commit(t.Context(), table.Put("p", "s", []byte("x")).IfAbsent()); err != nil {
		t.Error(err)
	}
	proxy.Next(awslocal.Throttle, awslocal.Cut)
	if row, err := rows.Get(t.Context(), "p", "s"); err != nil || string(row.Value) != "x" {
		t.Errorf("row %q, %v", row.Value, err)
	}
}
