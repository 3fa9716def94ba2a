package admin

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// markLetters marks letters as the hub does, and does nothing else.
type markLetters struct{}

func (markLetters) Replay(ctx context.Context, c *store.Client, d store.DeadLetter) error {
	_, err := c.MarkDeadLetter(ctx, d, store.LetterReplayed)
	return err
}

func (markLetters) Discard(ctx context.Context, c *store.Client, d store.DeadLetter) error {
	_, err := c.MarkDeadLetter(ctx, d, store.LetterDiscarded)
	return err
}

// letters puts n letters of events and one of a message with each client.
func (f *fixture) letters(n int) {
	f.t.Helper()
	for _, id := range []model.ClientID{"acme", "beta"} {
		client, err := f.store.Client(f.t.Context(), id)
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range n + 1 {
			d := store.DeadLetter{UUID: model.Random16{byte(i + 1), id[0]}, Account: model.AccountID(id + "-echo"), Reason: "too_large", At: time.Now(), Expires: time.Now().Add(time.Hour)}
			if i == n {
				d.Conversation, d.Reason = model.ConversationID("cnv_"+strings.Repeat("0", 26)), "retries_exhausted"
			}
			if err := client.PutDeadLetter(f.t.Context(), d); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

func TestDeadLettersArePaged(t *testing.T) {
	f := newFixture(t)
	f.letters(2)
	for query, total := range map[string]int{"": 6, "&client=beta": 3, "&account=acme-echo": 3, "&client=beta&account=acme-echo": 0} {
		seen := map[string]bool{}
		for cursor, page := "", 0; page == 0 || cursor != ""; page++ {
			l := want[web.List[DeadLetter]](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/deadletters?limit=2"+query+"&cursor="+cursor, ""))
			for _, d := range l.Data {
				if seen[d.ID] {
					t.Errorf("%q shows %s twice", query, d.ID)
				}
				seen[d.ID] = true
			}
			if cursor = l.NextCursor; page > 6 {
				t.Fatal("the list does not end")
			}
		}
		if len(seen) != total {
			t.Errorf("%q shows %d, want %d", query, len(seen), total)
		}
	}
	want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Operator, "GET", "/admin/v1/deadletters?cursor=x", ""))
}

func TestActsOnDeadLetters(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Letters = markLetters{} })
	f.letters(1)
	l := want[web.List[DeadLetter]](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/deadletters?client=acme", "")).Data
	event, message := "/admin/v1/deadletters/"+l[0].ID, "/admin/v1/deadletters/"+l[1].ID
	if l[0].Direction != model.Inbound || l[0].Replay == "" || l[1].Direction != model.Outbound || l[1].Replay != "" || l[1].MessageID == "" {
		t.Errorf("letters %+v", l)
	}
	for _, act := range []struct {
		path   string
		status int
		state  string
	}{
		{event + "/replay", http.StatusConflict, "Nothing of it was kept"},
		{event + "/discard", http.StatusOK, "discarded"},
		{event + "/discard", http.StatusOK, "discarded"},
		{message + "/replay?client=beta", http.StatusNotFound, ""},
		{message + "/replay", http.StatusOK, "replayed"},
		{message + "/replay", http.StatusConflict, "replayed already"},
		{message + "/discard", http.StatusConflict, "replayed already"},
	} {
		w := f.do(access.Operator, "POST", act.path, "")
		if w.Code != act.status || !strings.Contains(w.Body.String(), act.state) {
			t.Errorf("%s: %d %s, want %d and %q", act.path, w.Code, w.Body, act.status, act.state)
		}
	}
	e, m := "deadletter/"+l[0].ID, "deadletter/"+l[1].ID
	wantLog := []string{
		"deadletter.discard " + e + " begun", "deadletter.discard " + e + " done",
		"deadletter.discard " + e + " begun", "deadletter.discard " + e + " done",
		"deadletter.replay " + m + " begun", "deadletter.replay " + m + " done",
	}
	if diff := cmp.Diff(wantLog, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}
