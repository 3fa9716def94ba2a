package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

var errNoAttachment = model.Errorf(model.NotFound, "find attachment", "There is no such attachment.")

// postAttachment takes a file as the raw body or as the first file of a form.
// The bytes are not kept in memory; how long they may take is bounded by what
// comes in a while.
func (a *App) postAttachment(w http.ResponseWriter, r *http.Request) {
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if a.Files == nil {
		web.Fail(w, r, errNoAttachment)
		return
	}
	upload, err := web.ReadUpload(w, r, a.Files.MaxUpload(p.Client))
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		name = upload.Name
	}
	kept, err := a.Files.Take(r.Context(), client, media.File{
		Name: name, Body: upload.Body, Rules: media.Rules{MaxSize: upload.MaxSize},
	})
	if err != nil {
		web.Fail(w, r, uploadProblem(r, err))
		return
	}
	view, err := a.Files.View(r.Context(), p.Client, kept)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	web.JSON(w, r, http.StatusCreated, view)
}

// uploadProblem tells a body that broke off from a fault of the hub's own.
func uploadProblem(r *http.Request, err error) error {
	if _, ok := errors.AsType[*model.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*web.Problem](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || r.Context().Err() != nil {
		return web.Malformed("The body did not arrive whole and in time.")
	}
	return err
}

func (a *App) getAttachment(w http.ResponseWriter, r *http.Request) {
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	file, err := client.Attachment(r.Context(), model.AttachmentID(r.PathValue("id")))
	if err != nil || a.Files == nil {
		web.Fail(w, r, hide(err, errNoAttachment))
		return
	}
	view, err := a.Files.View(r.Context(), p.Client, file)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	a.read(p, audit.ReadAttachments, 1)
	web.JSON(w, r, http.StatusOK, view)
}

// files returns the message with its files as they are now, and fresh links.
func (a *App) files(ctx context.Context, client *store.Client, m *model.Message, told time.Time) (*model.Message, error) {
	if m == nil || len(m.Attachments) == 0 || a.Files == nil {
		return m, nil
	}
	out := *m
	var err error
	out.Attachments, err = a.Files.Show(ctx, client, m.Attachments, told)
	return &out, err
}

// renderFile is the event of a change of a file: the message that it belongs
// to, with this file alone. False when the file has ended meanwhile.
func (a *App) renderFile(ctx context.Context, client *store.Client, at place) (model.Event, bool, error) {
	rec := at.record()
	ev, err := a.bare(ctx, client, at)
	if err != nil {
		return ev, false, err
	}
	shown := model.Attachment{ID: model.AttachmentIDOf(rec.Key), Kind: model.File, State: model.AttachmentState(rec.New)}
	message := model.Message{Direction: model.Inbound, Author: model.Customer}
	file, err := client.Attachment(ctx, shown.ID)
	switch {
	case model.Is(err, model.NotFound):
		shown.State = model.AttachmentExpired
	case err != nil:
		return ev, false, err
	case a.Files != nil:
		if shown, err = a.Files.View(ctx, client.ID, file); err != nil {
			return ev, false, err
		}
		message.ID = file.Message
	}
	message.Attachments = []model.Attachment{shown}
	ev.Message = &message
	return ev, true, nil
}
