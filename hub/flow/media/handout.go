package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/store"
)

// What is in here hands files out: their bytes, links to them, and how they
// are shown beside a message.

// Open returns the bytes of a file from an offset on. The caller closes the
// reader. A file that is not ready, or past its end, is model.NotFound (I9).
func (m *Media) Open(ctx context.Context, client model.ClientID, a store.Attachment, offset int64) (io.ReadCloser, error) {
	if a.State != model.AttachmentReady || a.Gone(m.o.Now()) {
		return nil, model.Errorf(model.NotFound, "open attachment", "The file is not there.")
	}
	return m.open(ctx, client, a, offset)
}

func (m *Media) open(ctx context.Context, client model.ClientID, a store.Attachment, offset int64) (io.ReadCloser, error) {
	from := blob.Range{Offset: offset}
	if a.Hub {
		from = blob.Range{} // a sealed stream opens from its beginning
	}
	body, _, err := m.o.Blobs.For(client).Open(ctx, blob.Key(a.Blob), from)
	if err != nil || !a.Hub {
		return body, outage(err)
	}
	plain, err := a.Key.Open(a.Place(client), body)
	if err == nil && offset > 0 {
		_, err = io.CopyN(io.Discard, plain, offset)
	}
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, body}, nil
}

// Sign returns a URL of the store's own for a file, for at most ttl. ok is
// false when the hub has to hand the bytes out itself.
func (m *Media) Sign(ctx context.Context, client model.ClientID, a store.Attachment, ttl time.Duration) (signed blob.Signed, ok bool, err error) {
	now := m.o.Now()
	if a.State != model.AttachmentReady || a.Gone(now) {
		return blob.Signed{}, false, model.Errorf(model.NotFound, "sign attachment", "The file is not there.")
	}
	if a.Hub || !m.o.Blobs.Traits().Signs {
		return blob.Signed{}, false, nil
	}
	ttl = min(ttl, m.retention(client).SignedURL, a.Ends.Sub(now))
	if ttl < time.Second {
		return blob.Signed{}, false, model.Errorf(model.NotFound, "sign attachment", "The file is not there.")
	}
	signed, err = m.o.Blobs.For(client).SignGet(ctx, blob.Key(a.Blob), ttl, blob.As{ContentType: a.Mime, FileName: a.Name})
	return signed, true, outage(err)
}

// Link returns a URL of the hub's own for a file, for at most ttl; zero is the
// client's policy.
func (m *Media) Link(ctx context.Context, client model.ClientID, a store.Attachment, ttl time.Duration) (url string, expires time.Time, err error) {
	now := m.o.Now()
	life := m.retention(client).AttachmentLink
	if ttl > 0 {
		life = min(life, ttl)
	}
	expires = now.Add(life)
	if a.Ends.Before(expires) {
		expires = a.Ends
	}
	token, err := m.o.Store.LinkToken(ctx, store.Link{Client: client, Attachment: a.ID, Expires: expires})
	if err != nil {
		return "", expires, fmt.Errorf("make link: %w", err)
	}
	return m.o.ExternalURL() + "/a/" + token, expires, nil
}

// Show returns the files of a message as the client application reads them
// now, with fresh links. Told is when the message came; a file without a row is
// still to be fetched until its end.
func (m *Media) Show(ctx context.Context, client *store.Client, files []model.Attachment, told time.Time) ([]model.Attachment, error) {
	return m.show(ctx, client, files, told, func(a store.Attachment) (model.Attachment, error) { return m.View(ctx, client.ID, a) })
}

// States is Show without links, for those who fetch files another way.
func (m *Media) States(ctx context.Context, client *store.Client, files []model.Attachment, told time.Time) ([]model.Attachment, error) {
	return m.show(ctx, client, files, told, func(a store.Attachment) (model.Attachment, error) { return a.View(m.o.Now()), nil })
}

func (m *Media) show(ctx context.Context, client *store.Client, files []model.Attachment, told time.Time, view func(store.Attachment) (model.Attachment, error)) ([]model.Attachment, error) {
	if len(files) == 0 {
		return files, nil
	}
	now := m.o.Now()
	out := make([]model.Attachment, len(files))
	for i, f := range files {
		a, err := client.Attachment(ctx, f.ID)
		switch {
		case model.Is(err, model.NotFound):
			if f.State != model.AttachmentRefused && (f.State != model.AttachmentPending || !now.Before(told.Add(m.retention(client.ID).Attachments))) {
				f.State = model.AttachmentExpired
			}
			out[i] = f
			continue
		case err != nil:
			return nil, err
		}
		if out[i], err = view(a); err != nil {
			return nil, err
		}
		if a.Erased {
			out[i].Name, out[i].Kind = f.Name, f.Kind
		}
	}
	return out, nil
}

// View is a file with a fresh link, if there is anything to link to.
func (m *Media) View(ctx context.Context, client model.ClientID, a store.Attachment) (model.Attachment, error) {
	v := a.View(m.o.Now())
	var err error
	if v.State == model.AttachmentReady {
		v.URL, _, err = m.Link(ctx, client, a, 0)
	}
	return v, err
}
