package awstest

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// outageVariable says how long services stay away; without it, for as long as
// the tests look at what that does.
const outageVariable = "HUB_TEST_OUTAGE"

// outage is a service that is away, from when it is made.
type outage struct {
	t     *testing.T
	began time.Time
	least time.Duration
	n     int // what was tried meanwhile
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{t: t, began: time.Now()}
	if text := os.Getenv(outageVariable); text != "" {
		var err error
		if o.least, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", outageVariable, err)
		}
	}
	return o
}

// last lets the service be away for its time. Meanwhile try is called about
// once a second, with a number that it was not given before.
func (o *outage) last(try func(n int)) {
	o.t.Helper()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for time.Since(o.began) < o.least {
		o.n++
		try(o.n)
		<-again.C
	}
}

// over waits until the hub is well again once the service is, and tells how
// long that took. Until bounds it: recovery within 30 s is promised.
func (o *outage) over(h *hubtest.Hub, name string) {
	o.t.Helper()
	away, back := time.Since(o.began), time.Now()
	h.Until("/readyz to say of the "+name+" that it is ok", func() error {
		if got := stateOf(o.t, h, name); got != "ok" {
			return fmt.Errorf("it says %s", got)
		}
		return nil
	})
	if a := h.Call("", http.MethodGet, "/readyz", nil); a.Status != http.StatusOK {
		o.t.Errorf("/readyz is %d although all is well", a.Status)
	}
	o.t.Logf("%s away for %s, with %d tries; well again after %s", name, away.Round(time.Second), o.n, time.Since(back).Round(time.Millisecond))
}
