package media_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// send takes a file as a visitor's, ahead of a message.
func (w *world) send(account model.AccountID, visitor model.Address, body []byte) store.Attachment {
	w.t.Helper()
	owner, err := w.client.AttachmentOwner(w.t.Context(), account, visitor)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.media.Take(w.t.Context(), w.client, media.File{
		Name: "a.txt", Account: account, Owner: owner, TakeBy: w.at.Add(media.TakeWithin), Body: bytes.NewReader(body),
		Rules: media.Rules{MaxSize: media.DefaultMaxSize},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// adopt names the files of a visitor's message.
func (w *world) adopt(visitor model.Address, ids ...model.AttachmentID) []model.Attachment {
	w.t.Helper()
	var named []model.Attachment
	for _, id := range ids {
		named = append(named, model.Attachment{ID: id, Name: "as told", Kind: model.File, State: model.AttachmentPending})
	}
	got, err := w.media.Adopt(w.t.Context(), w.client, site, visitor, named)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// bytesOf counts the files on the disk.
func (w *world) bytesOf() int {
	w.t.Helper()
	n := 0
	err := filepath.WalkDir(w.dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestAdopt: a message names files by their ids, and gets those that its own
// visitor sent on its own account. All others look alike (I8).
func TestAdopt(t *testing.T) {
	w := newWorld(t, nil, func(o *media.Options) {
		o.Clamd = scanner(t, func(body []byte) string {
			if bytes.Contains(body, []byte("EICAR")) {
				return "stream: Eicar-Signature FOUND"
			}
			return "stream: OK"
		})
	})
	ada, bob := store.NewVisitor(), store.NewVisitor()
	late := w.send(site, ada, text)
	w.at = w.at.Add(media.TakeWithin)
	mine := w.send(site, ada, text)
	for name, id := range map[string]model.AttachmentID{
		"another visitor's":      w.send(site, bob, text).ID,
		"of another account":     w.send("acme-other", ada, text).ID,
		"the application's":      w.take("a.txt", text).ID,
		"of another client":      model.NewAttachmentID(),
		"infected":               w.send(site, ada, []byte("EICAR test")).ID,
		"past its time":          late.ID,
		"one that never was one": "att_nothing",
	} {
		got := w.adopt(ada, id, mine.ID)
		if len(got) != 2 || got[0].State != model.AttachmentRefused || got[0].ID == id || !got[0].ID.Valid() || got[0].Name != "as told" || got[0].Size != 0 || got[0].SHA256 != "" {
			t.Errorf("%s: %+v, want a refused one without anything of the file", name, got)
		}
		if got[1].State != model.AttachmentReady || got[1].ID != mine.ID || got[1].SHA256 != mine.SHA256 || got[1].Name != "a.txt" {
			t.Errorf("beside %s, their own is %+v", name, got[1])
		}
	}
	if got := w.adopt(ada, ""); got[0].ID != "" || got[0].State != model.AttachmentPending {
		t.Errorf("a file that is still to be fetched: %+v", got)
	}
}

// TestUntakenFilesEndSoon: a file that no message names ends within the hour,
// to the instant; one that a message names lives as long as any.
func TestUntakenFilesEndSoon(t *testing.T) {
	w := newWorld(t, nil, nil)
	ada := store.NewVisitor()
	left, named := w.send(site, ada, text), w.send(site, ada, text)
	path, kept := w.linkTo(w.client, left), w.linkTo(w.client, named)
	if v := left.View(w.at); !v.ExpiresAt.Equal(w.at.Add(media.TakeWithin)) {
		t.Errorf("expires at %s", v.ExpiresAt)
	}
	if got := w.adopt(ada, named.ID); got[0].State != model.AttachmentReady || !got[0].ExpiresAt.Equal(w.at.Add(24*time.Hour)) {
		t.Errorf("named: %+v", got[0])
	}
	began := w.at
	w.at = began.Add(media.TakeWithin - time.Millisecond)
	if rec := w.follow(http.MethodGet, path); rec.Code != 200 {
		t.Errorf("a moment before: %d", rec.Code)
	}
	w.at = began.Add(media.TakeWithin)
	for p, want := range map[string]int{path: 410, kept: 410} {
		if rec := w.follow(http.MethodGet, p); rec.Code != want { // links end with the hour, too
			t.Errorf("at the end: %d, want %d", rec.Code, want)
		}
	}
	if now, err := w.client.Attachment(t.Context(), named.ID); err != nil || now.Gone(w.at) {
		t.Errorf("the one that a message named: %v", err)
	}
	if rec := w.follow(http.MethodGet, w.linkTo(w.client, named)); rec.Code != 200 {
		t.Errorf("the one that a message named: %d", rec.Code)
	}
	if n := w.bytesOf(); n != 2 {
		t.Fatalf("%d files are kept before the sweep", n)
	}
	for range 2 { // a sweep may be repeated
		for _, a := range []store.Attachment{left, named} {
			due := store.Due{ID: string(a.ID), Kind: media.UntakenKind, Ref: a.Blob, At: a.TakeBy}
			if err := w.media.RemoveUntaken(t.Context(), w.client, due); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.client.Attachment(t.Context(), left.ID); !model.Is(err, model.NotFound) {
		t.Errorf("the row is there: %v", err)
	}
	if rec := w.follow(http.MethodGet, w.linkTo(w.client, named)); rec.Code != 200 || w.bytesOf() != 1 {
		t.Errorf("after the sweep: %d, %d files", rec.Code, w.bytesOf())
	}
}

// TestUntakenFilesAreDue: whoever made the file noted its short end, and the
// walk over what is due finds it.
func TestUntakenFilesAreDue(t *testing.T) {
	w := newWorld(t, nil, nil)
	a := w.send(site, store.NewVisitor(), text)
	kinds := map[string]int{}
	err := w.client.Due(t.Context(), w.at.Add(media.TakeWithin), func(d store.Due) error {
		kinds[d.Kind]++
		if d.ID != string(a.ID) || d.Ref != a.Blob {
			t.Errorf("due is %+v", d)
		}
		return nil
	})
	if err != nil || kinds[media.UntakenKind] != 1 || len(kinds) != 1 {
		t.Errorf("due within the hour: %v, %v", kinds, err)
	}
}

// TestAFileThatMovesOnBeforeItIsTaken: the message told that it was pending;
// the verdict came before the file was the message's. The change is told once.
func TestAFileThatMovesOnBeforeItIsTaken(t *testing.T) {
	sick := true
	w := newWorld(t, nil, func(o *media.Options) {
		o.Clamd = scanner(t, func([]byte) string {
			if sick {
				return "INSTREAM size limit exceeded. ERROR"
			}
			return "stream: OK"
		})
	})
	ada := store.NewVisitor()
	a := w.send(site, ada, text)
	told := w.adopt(ada, a.ID)
	if told[0].State != model.AttachmentPending {
		t.Fatalf("told as %s", told[0].State)
	}
	sick = false
	w.at = w.at.Add(time.Minute)
	w.media.Pass(t.Context())
	dir, err := w.client.Resolve(t.Context(), site, []model.Address{ada}, "")
	if err != nil {
		t.Fatal(err)
	}
	e := store.StoredEvent{
		Conversation: dir.Conversation, Key: model.NewRandom16(), Account: site, SealKey: dir.Key(), Type: model.MessageReceived,
		Received: w.at, Committed: w.at, ContentUntil: w.at.Add(time.Hour), Expires: w.at.Add(48 * time.Hour),
		Event: model.Event{Message: &model.Message{Attachments: told}},
	}
	if _, _, err := w.client.PutEvent(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	log := w.client.Feed(dir.Conversation)
	if _, err := log.Append(t.Context(), store.Record{Kind: store.EventRecord, Conversation: e.Conversation, Key: e.Key, Type: e.Type, Account: site, Files: 1}, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.media.Pass(t.Context())
	}
	rows, err := log.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Kind == store.AttachmentRecord && r.New == model.Status(model.AttachmentReady) {
				changes++
			}
		}
	}
	now, err := w.client.Attachment(t.Context(), a.ID)
	if err != nil || now.Message == "" || now.SealKey != dir.Key() || changes != 1 {
		t.Errorf("taken: %+v, %v; told %d times, want once", now.Message, err, changes)
	}
}
