package hub

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
)

// toldKeys is a driver whose state the test tells.
type toldKeys struct {
	*localkeys.Keyring
	asked int
	state string
}

func (k *toldKeys) Describe(ctx context.Context, client model.ClientID) (keys.Description, error) {
	k.asked++
	d, err := k.Keyring.Describe(ctx, client)
	if k.state != "" {
		d.State = "disabled"
	}
	return d, err
}

func TestTheKeyServiceIsNotAskedByEveryProbe(t *testing.T) {
	ring, err := localkeys.Open(t.TempDir()+"/keyring.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		told := &toldKeys{Keyring: ring}
		root, check := keys.New(told), &keyCheck{}
		look := func(want string) {
			t.Helper()
			if state, err := check.look(t.Context(), root); err != nil || state != want {
				t.Errorf("state %q, %v; want %q", state, err, want)
			}
		}
		for range 10 {
			look("")
		}
		told.state = "disabled"
		look("")
		if told.asked != 1 {
			t.Errorf("asked %d times by 11 probes", told.asked)
		}
		time.Sleep(keyCheckEvery) // in the bubble
		look("disabled")
	})
}

func TestLogTroubleIsSaidNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &logTrouble{to: &out}
		if l.lately() != "" {
			t.Error("trouble before there was any")
		}
		for range 100 {
			l.note(model.Wrap(model.Throttled, "put log events", errors.New("slow down")))
		}
		if l.lately() != model.Throttled {
			t.Errorf("lately: %q", l.lately())
		}
		if n := strings.Count(out.String(), "the log cannot be written"); n != 1 {
			t.Errorf("said %d times, want once: %s", n, out.String())
		}
		time.Sleep(sayTroubleEvery + time.Second) // in the bubble
		if l.lately() != "" {
			t.Errorf("a minute later: %q", l.lately())
		}
		l.note(errors.New("again"))
		if n := strings.Count(out.String(), "the log cannot be written"); n != 2 {
			t.Errorf("said %d times, want twice", n)
		}
		l.over()
		if l.lately() != "" {
			t.Errorf("once it is written again: %q", l.lately())
		}
	})
}

func TestWhichKeyIsAClients(t *testing.T) {
	cfg := config.Defaults()
	cfg.Storage.Keys.KMS.KeyID = "alias/shared"
	cfg.Clients["own"] = config.Client{KMSKeyID: "alias/own"}
	cfg.Clients["none"] = config.Client{}
	for client, want := range map[model.ClientID]string{"own": "alias/own", "none": "alias/shared", "gone": "alias/shared", "": "alias/shared"} {
		if got := keyID(cfg, client); got != want {
			t.Errorf("client %q has %s, want %s", client, got, want)
		}
	}
}
