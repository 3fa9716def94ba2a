package awstest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// talk is a conversation that is cut off by a service that goes away: what was
// accepted before is not delivered yet, and both sides go on trying.
type talk struct {
	t        *testing.T
	h        *hubtest.Hub
	customer string
	accepted hubtest.Message
	lost     map[string]string // what the customer says meanwhile
	key      string            // of the answer that the desk gives meanwhile
}

// beginTalk has a customer say something, and an answer accepted that the
// provider does not take yet.
func beginTalk(t *testing.T, h *hubtest.Hub, customer string) *talk {
	t.Helper()
	h.Say(customer, customer+"-1", "before")
	h.Provider.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	return &talk{
		t: t, h: h, customer: customer, accepted: h.Send(customer, "answer"), key: "key-" + customer,
		lost: map[string]string{"id": customer + "-2", "from": customer, "name": customer, "text": "during"},
	}
}

func (k *talk) again() hubtest.Answer {
	return k.h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", hubtest.Text(k.customer, "again"), "Idempotency-Key", k.key)
}

// refused has both sides try while the service is away, and nobody be told yes.
func (k *talk) refused(int) {
	k.t.Helper()
	for who, a := range map[string]hubtest.Answer{"provider": k.h.Hook(k.lost), "client": k.again()} {
		if a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			k.t.Errorf("I1: the %s is answered %d %s, Retry-After %q", who, a.Status, a.Body, a.Header.Get("Retry-After"))
		}
	}
}

// repeated has both sides repeat what was refused once the service is back, and
// demands that everything arrives, once.
func (k *talk) repeated() {
	k.t.Helper()
	k.h.Await(k.accepted.ID, "sent")
	if a := k.h.Hook(k.lost); a.Status != http.StatusOK {
		k.t.Errorf("the provider's repeat is answered %d", a.Status)
	}
	a := k.again()
	if a.Status != http.StatusAccepted {
		k.t.Fatalf("the client's repeat is answered %d", a.Status)
	}
	var sent hubtest.Message
	decode(k.t, a, &sent)
	k.h.Await(sent.ID, "sent")
	if got := strings.Join(received(k.h.Events(hubtest.Archive, "limit=100")), " "); got != "before during" {
		k.t.Errorf("I2, I3: the feed says %q", got)
	}
	times := map[string]int{}
	for _, p := range k.h.Provider.Posts() {
		times[p.ID]++
	}
	if times[k.accepted.ID] == 0 || times[sent.ID] == 0 || len(times) != 2 {
		k.t.Errorf("I2: the provider got %v", times)
	}
}
