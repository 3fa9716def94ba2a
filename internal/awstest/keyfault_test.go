package awstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// stateOf is what /readyz says of one dependency.
func stateOf(t *testing.T, h *hubtest.Hub, name string) string {
	t.Helper()
	a := h.Call("", http.MethodGet, "/readyz?verbose", nil)
	var out struct{ Checks []check }
	if err := json.Unmarshal(a.Body, &out); err != nil {
		t.Fatalf("read /readyz: %v", err)
	}
	for _, c := range out.Checks {
		if c.Name == name {
			return c.State
		}
	}
	return "not named"
}

// TestKeysAway lets KMS fail under a hub at work: it
// goes on with the keys that it has, /readyz names them, and once KMS
// is back it is well again without a restart.
func TestKeysAway(t *testing.T) {
	f := newFleet(t)
	for name, test := range map[string]struct {
		fault awslocal.Fault
		state string
	}{
		"throttling": {awslocal.Throttle, "degraded"},
		"broken":     {awslocal.Break, "degraded"},
		"hanging":    {awslocal.Hang, "degraded"},
		"refusing":   {awslocal.Deny, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := awslocal.NewProxy(t, f.moto)
			h := hubtest.New(t, &hubtest.Options{Config: fmt.Sprintf(`
storage: {keys: {driver: kms, kms: {key_id: %q, endpoint: %q}}}
aws: {region: eu-west-1}
`, f.key, root.URL)})
			h.Say("ada", "in-1", "before")
			root.Set(test.fault)
			away := newOutage(t)
			h.Until("/readyz to name the keys", func() error {
				if got := stateOf(t, h, "keys"); got != test.state {
					return fmt.Errorf("it says %s, want %s", got, test.state)
				}
				return nil
			})
			said := []string{"before"}
			goOn := func(n int) {
				said = append(said, fmt.Sprintf("during %d", n))
				h.Say("ada", fmt.Sprintf("in-during-%d", n), said[len(said)-1])
				h.Await(h.Send("ada", "answer").ID, "sent")
			}
			goOn(0)
			away.last(goOn)
			root.Set(awslocal.Pass)
			away.over(h, "keys")
			h.Say("ada", "in-3", "after")
			if diff := cmp.Diff(append(said, "after"), received(h.Events(hubtest.Archive, "limit=500"))); diff != "" {
				t.Errorf("I1: the feed says (-want +got):\n%s", diff)
			}
		})
	}
}
