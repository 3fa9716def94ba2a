package flow_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

// What messages may cost in calls of the key service, which bills each call
// and allows only so many a second.
const (
	keyCallsPerThousand = 1
	keyCachePeriod      = 5 * time.Minute // seal's default
)

// rootMeter is a driver that counts calls, with a clock to age what is cached.
type rootMeter struct {
	driver.Driver

	calls  atomic.Int64
	passed atomic.Int64
}

func (m *rootMeter) now() time.Time { return time.Now().Add(time.Duration(m.passed.Load())) }

func (m *rootMeter) Wrap(ctx context.Context, kc driver.Context, plaintext []byte) ([]byte, error) {
	m.calls.Add(1)
	return m.Driver.Wrap(ctx, kc, plaintext)
}

func (m *rootMeter) Unwrap(ctx context.Context, kc driver.Context, wrapped []byte) ([]byte, error) {
	m.calls.Add(1)
	return m.Driver.Unwrap(ctx, kc, wrapped)
}

func (m *rootMeter) Generate(ctx context.Context, kc driver.Context) (plaintext, wrapped []byte, err error) {
	m.calls.Add(1)
	return m.Driver.Generate(ctx, kc)
}

// TestKeyCallsPerThousandMessages spreads messages of both directions over
// cache periods: a call belongs to a period, not to a message.
func TestKeyCallsPerThousandMessages(t *testing.T) {
	const periods, each = 2, 1000
	db, err := pebbletable.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRooms(t, db, time.Hour, true)
	if n := r.root.calls.Load(); n == 0 {
		t.Fatal("nothing was counted when the client's keysets were made")
	}
	for period := range periods {
		r.root.calls.Store(0)
		r.root.passed.Add(int64(keyCachePeriod + time.Second))
		for n := range each - 1 {
			r.hear(fmt.Sprintf("%d.%d", period, n))
		}
		r.reaches(r.say(), model.Sent)
		n := r.root.calls.Load()
		t.Logf("period %d: %d key calls for %d messages", period, n, each)
		if n == 0 || n*1000 > each*keyCallsPerThousand {
			t.Errorf("period %d: %d key calls for %d messages, want 1 to %d", period, n, each, each*keyCallsPerThousand/1000)
		}
	}
}
