package outbound_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
	"github.com/channelhub/channelhub/hub/store"
)

// noFetch is a provider without files of its own.
type noFetch struct{ *provider }

func (noFetch) FetchAttachment(context.Context, model.PluginID, pluginhost.FetchRequest) (model.Attachment, io.ReadCloser, error) {
	return model.Attachment{}, nil, model.Errorf(model.NotFound, "fetch", "there is none")
}

// files gives the world a place for files, and the provider media.
func (w *world) files() *media.Media {
	w.t.Helper()
	w.provider.descriptor.Limits.ContentTypes = []model.ContentType{model.ContentText, model.ContentMedia}
	w.provider.descriptor.Limits.MaxAttachments = 2
	disk, err := fileblob.Open(w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	w.configure(accounts.Account{Attachments: model.AttachmentRules{MaxSize: 20, Allow: []string{"text/*"}}})
	m, err := media.New(media.Options{
		Store: w.rows.Store(), Blobs: blob.New(disk, &blob.Options{Now: w.now}), Accounts: w.accounts, Connectors: noFetch{w.provider}, Now: w.now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) upload(m *media.Media, content string) store.Attachment {
	w.t.Helper()
	a, err := m.Take(w.t.Context(), w.client, media.File{
		Name: "a", Body: strings.NewReader(content), Ends: w.now().Add(time.Hour), Rules: media.Rules{MaxSize: 100},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func withFiles(files ...store.Attachment) outbound.Request {
	r := request("ada", "caption")
	r.Content.Type = model.ContentMedia
	for _, a := range files {
		r.Attach = append(r.Attach, a.ID)
	}
	return r
}

func TestMessagesTakeFiles(t *testing.T) {
	w := newWorld(t)
	m := w.files()
	out := w.pool(func(o *outbound.Options) { o.Files = m })
	a := w.upload(m, "hello there")
	msg := w.await(w.submitRequest(out, withFiles(a)), model.Sent)
	if got := msg.Message.Attachments; len(got) != 1 || got[0].ID != a.ID || got[0].Size != 11 {
		t.Errorf("the message has %+v", got)
	}
	if !msg.ExpireAfter.Equal(a.Ends) {
		t.Errorf("the message expires at %s, want with its file at %s", msg.ExpireAfter, a.Ends)
	}
	now, err := w.client.Attachment(t.Context(), a.ID)
	if err != nil || now.Message != msg.ID() || now.Account != account || now.SealKey != msg.SealKey {
		t.Errorf("the file is %+v, %v", now, err)
	}
	large, pdf, free := w.upload(m, "hello there, and more of it"), w.upload(m, "%PDF-1.7\n%\xe2\xe3\n"), w.upload(m, "hello")
	second := withFiles(a)
	more := withFiles(a)
	more.Address.Kind = model.PSID
	for name, tc := range map[string]struct {
		r    outbound.Request
		code model.Code
	}{
		"taken":          {second, model.Conflicting},
		"taken and more": {more, model.Invalid},
		"too large":      {withFiles(large), model.Invalid},
		"another type":   {withFiles(pdf), model.Invalid},
		"none":           {withFiles(), model.Invalid},
		"twice the same": {withFiles(free, free), model.Invalid},
		"unknown":        {withFiles(store.Attachment{ID: model.NewAttachmentID()}), model.Invalid},
		"too many":       {withFiles(free, large, pdf), model.Invalid},
	} {
		dry := out.Judge(t.Context(), acme, tc.r)
		_, err := out.Submit(t.Context(), acme, tc.r, keyed("", ""))
		if !model.Is(dry, tc.code) || !model.Is(err, tc.code) {
			t.Errorf("%s: the dry run says %v, the call %v; want %s", name, dry, err, tc.code)
		}
	}
}

// TestTakingIsRepeated: a call that dies between taking the file and writing
// the message goes on when it is repeated, and only then.
func TestTakingIsRepeated(t *testing.T) {
	for n := range 6 {
		w := newWorld(t)
		m := w.files()
		out := w.pool(func(o *outbound.Options) { o.Files = m })
		a := w.upload(m, "hello there")
		w.disk.fail(n, nil)
		first, failed := out.Submit(t.Context(), acme, withFiles(a), keyed("key", "body"))
		w.disk.heal()
		again, err := out.Submit(t.Context(), acme, withFiles(a), keyed("key", "body"))
		if err != nil {
			t.Fatalf("broken after %d writes (%v): the repeat says %v", n, failed, err)
		}
		if failed == nil && first.Message.ID() != again.Message.ID() {
			t.Errorf("broken after %d writes: two messages", n)
		}
		w.await(again.Message, model.Sent)
		if failed != nil && !errors.Is(failed, errBroken) {
			t.Errorf("broken after %d writes: %v", n, failed)
		}
	}
}
