package retention_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
)

// TestForecast: what was read counts with the class that it ends in, and each
// time includes the ones before.
func TestForecast(t *testing.T) {
	w := newWorld(t)
	w.hear("1")
	w.say(1, model.Sent)
	w.ack("desk")
	w.pass(day - 30*time.Minute)
	w.hear("2")
	if err := w.client.PutDeadLetter(t.Context(), store.DeadLetter{UUID: model.Random16{9}, Account: account, Reason: "refused", At: w.now(), Expires: w.now().Add(20 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := w.client.PutDue(t.Context(), store.Due{ID: "att_1", Kind: retention.AttachmentKind, At: w.now().Add(10 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	want := []retention.Forecast{
		{Within: time.Hour, Messages: 2, Attachments: 1},
		{Within: day, Messages: 2, DeadLetters: 1, Attachments: 1},
		{Within: 7 * day, Messages: 2, Undelivered: 1, DeadLetters: 1, Attachments: 1},
	}
	got, err := w.sweeper().Forecast(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.pass(time.Hour)
	s := w.sweeper()
	removed, err := s.Sweep(t.Context())
	if err == nil {
		t.Error("nobody removes attachments, and the sweep says nothing")
	}
	if removed[retention.Messages] != 2 {
		t.Errorf("removed %v", removed)
	}
	if got, err = s.Forecast(t.Context(), acme); err != nil || got[2].Messages != 0 || got[2].Undelivered != 1 {
		t.Errorf("behind the sweep: %+v, %v", got, err)
	}
}
