// Package link follows the links to files: GET /a/{token}. A token names one
// file of one client until a time, and everything is looked at anew with every
// click. Whoever has the link needs nothing else.
package link

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Files hands out bytes.
type Files interface {
	// Sign returns a URL of the store's own; ok is false when the hub has to
	// hand the bytes out itself.
	Sign(ctx context.Context, client model.ClientID, a store.Attachment, ttl time.Duration) (signed blob.Signed, ok bool, err error)
	// Open returns the bytes from an offset on.
	Open(ctx context.Context, client model.ClientID, a store.Attachment, offset int64) (io.ReadCloser, error)
}

// Options for New.
type Options struct {
	Store    *store.Store
	Accounts *accounts.Registry
	Files    Files
	Counts   *audit.Counts    // nil: nobody counts the files handed out
	Logger   hclog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
}

// Links serves /a. It is safe for concurrent use.
type Links struct{ o Options }

// New returns Links.
func New(o Options) *Links {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Links{o}
}

// Routes registers the links; HEAD comes with GET.
func (l *Links) Routes(mux *http.ServeMux) { mux.HandleFunc("GET /a/{token}", l.follow) }

func (l *Links) follow(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	web.FileHeaders(h)
	link, a, err := l.find(r.Context(), r.PathValue("token"))
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if r.Method == http.MethodGet {
		// A signed URL is for GET alone; HEAD is answered from the row.
		signed, ok, err := l.o.Files.Sign(r.Context(), link.Client, a, link.Expires.Sub(l.o.Now()))
		switch {
		case model.Is(err, model.NotFound):
			web.Fail(w, r, errGone)
			return
		case err != nil:
			web.Fail(w, r, err)
			return
		case ok:
			l.o.Counts.Access(audit.LinkHolder, audit.ReadAttachments, link.Client, 1)
			h.Set("Location", signed.URL)
			w.WriteHeader(http.StatusFound)
			return
		}
	}
	if r.Method == http.MethodGet {
		l.o.Counts.Access(audit.LinkHolder, audit.ReadAttachments, link.Client, 1)
	}
	open := func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return l.o.Files.Open(ctx, link.Client, a, offset)
	}
	web.ServeFile(w, r, web.File{Name: a.Name, Type: a.Mime, SHA256: a.SHA256, Size: a.Size, Open: open}, func(err error) {
		l.o.Logger.Warn("a file could not be handed out whole", telemetry.FieldClient, link.Client, "attachment", a.ID, telemetry.FieldError, err)
	})
}

var errGone = web.Gone("The link has ended, or the file has. Ask for a new one.")

// find returns the file of a token. What was there once is gone; what never
// was is not found.
func (l *Links) find(ctx context.Context, token string) (store.Link, store.Attachment, error) {
	link, err := l.o.Store.ParseLink(ctx, token)
	if err != nil {
		return link, store.Attachment{}, err
	}
	now := l.o.Now()
	if _, ok := l.o.Accounts.Client(link.Client); !ok || !now.Before(link.Expires) {
		return link, store.Attachment{}, errGone
	}
	client, err := l.o.Store.Client(ctx, link.Client)
	if err != nil {
		return link, store.Attachment{}, err
	}
	a, err := client.Attachment(ctx, link.Attachment)
	if model.Is(err, model.NotFound) || err == nil && (a.Gone(now) || a.State != model.AttachmentReady) {
		return link, a, errGone // I9
	}
	return link, a, err
}
