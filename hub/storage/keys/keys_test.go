package keys_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// shaky is a driver whose next calls fail as told and then succeed.
type shaky struct {
	errs  []error
	calls int
}

func (s *shaky) next() error {
	s.calls++
	if len(s.errs) == 0 {
		return nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return err
}

func (s *shaky) Wrap(_ context.Context, _ driver.Context, p []byte) ([]byte, error) {
	return p, s.next()
}

func (s *shaky) Unwrap(_ context.Context, _ driver.Context, w []byte) ([]byte, error) {
	return w, s.next()
}

func (s *shaky) Generate(context.Context, driver.Context) (plaintext, wrapped []byte, err error) {
	return []byte("p"), []byte("w"), s.next()
}

func (s *shaky) Describe(context.Context, model.ClientID) (driver.Description, error) {
	return driver.Description{KeyID: "k"}, s.next()
}

func (s *shaky) Close() error { return nil }

var acme = keys.Context{Client: "acme", Purpose: "test"}

// calls is every call of the port that reaches the driver.
var calls = map[string]func(ctx context.Context, k *keys.Keys) error{
	"wrap":     func(ctx context.Context, k *keys.Keys) error { _, err := k.Wrap(ctx, acme, []byte("x")); return err },
	"unwrap":   func(ctx context.Context, k *keys.Keys) error { _, err := k.Unwrap(ctx, acme, []byte("x")); return err },
	"generate": func(ctx context.Context, k *keys.Keys) error { _, err := k.Generate(ctx, acme); return err },
	"describe": func(ctx context.Context, k *keys.Keys) error { _, err := k.Describe(ctx, "acme"); return err },
}

func TestRetriesWhatMayPass(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &shaky{errs: []error{
					model.Errorf(model.Unavailable, "", "away"),
					model.Errorf(model.Throttled, "", "slow down"),
				}}
				if err := call(t.Context(), keys.New(d)); err != nil || d.calls != 3 {
					t.Errorf("got %v after %d calls, want success at the third", err, d.calls)
				}
			})
		})
	}
}

func TestPassesOnTheRest(t *testing.T) {
	for name, call := range calls {
		for _, code := range []model.Code{model.Denied, model.Corrupt, model.Invalid, model.Internal} {
			d := &shaky{errs: []error{model.Errorf(code, "", "no")}}
			if err := call(t.Context(), keys.New(d)); !model.Is(err, code) || d.calls != 1 {
				t.Errorf("%s: got %v after %d calls, want %s after one", name, err, d.calls, code)
			}
		}
	}
}

func TestStopsAtTheDeadline(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &shaky{}
				for range 1000 {
					d.errs = append(d.errs, model.Errorf(model.Unavailable, "", "away"))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				err := call(ctx, keys.New(d))
				if !model.Is(err, model.Unavailable) || time.Since(start) > time.Second {
					t.Errorf("got %v after %s, want unavailable within 1s", err, time.Since(start))
				}
			})
		})
	}
}
