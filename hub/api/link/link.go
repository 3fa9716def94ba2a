// Package link follows the links to files: GET /a/{token}. A token names one
// file of one client until a time, and everything is looked at anew with every
// click. Whoever has the link needs nothing else.
package link

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/store"
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

// filePolicy lets a file do nothing, should a browser show it after all.
const filePolicy = "default-src 'none'; sandbox"

func (l *Links) follow(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", filePolicy)
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
	l.serve(w, r, link.Client, a)
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

// serve hands the bytes out: always to be saved, never to be shown as a page.
func (l *Links) serve(w http.ResponseWriter, r *http.Request, client model.ClientID, a store.Attachment) {
	h := w.Header()
	h.Set("Content-Type", a.Mime)
	h.Set("Content-Disposition", blob.Disposition(a.Name))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a site shows its chat's pictures
	h.Set("ETag", strconv.Quote(a.SHA256))
	if strings.Contains(r.Header.Get("Range"), ",") {
		// Many ranges of one file would have it opened as many times.
		r.Header.Del("Range")
	}
	body := &reader{ctx: r.Context(), files: l.o.Files, client: client, of: a}
	defer body.close()
	http.ServeContent(w, r, "", time.Time{}, body)
	if body.err != nil && r.Context().Err() == nil {
		l.o.Logger.Warn("a file could not be handed out whole", "client", client, "attachment", a.ID, "error", body.err)
		panic(http.ErrAbortHandler) // a file that is cut off must not look whole
	}
}

// reader is a file as http.ServeContent reads it: opened at the first byte that
// is asked for. It belongs to one request.
type reader struct {
	ctx    context.Context //nolint:containedctx // lives no longer than the request that it is made in
	files  Files
	client model.ClientID
	of     store.Attachment

	at   int64
	body io.ReadCloser
	err  error
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.of.Size
	}
	if offset != r.at {
		r.close()
	}
	r.at = offset
	return offset, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (n int, err error) {
	if r.body == nil {
		if r.body, err = r.files.Open(r.ctx, r.client, r.of, r.at); err != nil {
			r.body, r.err = nil, err
			return 0, err
		}
	}
	n, err = r.body.Read(p)
	r.at += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (r *reader) close() {
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
}
