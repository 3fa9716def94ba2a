package chat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Files takes files and hands them out.
type Files interface {
	RulesOf(acct accounts.Account) media.Rules
	Take(ctx context.Context, client *store.Client, f media.File) (store.Attachment, error)
	// States returns the files of a message as they stand now.
	States(ctx context.Context, client *store.Client, files []model.Attachment, told time.Time) ([]model.Attachment, error)
	// Open returns the bytes of a file from an offset on.
	Open(ctx context.Context, client model.ClientID, a store.Attachment, offset int64) (io.ReadCloser, error)
}

// visitorRequest is a request that shows a visitor's token.
type visitorRequest struct {
	account accounts.Account
	client  *store.Client
	visitor model.Address
	owner   model.Random16 // the visitor, as rows of files name them
}

// visitorOf says who asks. The token travels in a header, as it does on the
// socket in a frame: never in the URL, never in a cookie.
func (c *Chat) visitorOf(r *http.Request, acct accounts.Account) (visitorRequest, error) {
	v := visitorRequest{account: acct}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxOpaque {
		return v, web.Unauthenticated("Send the visitor's token as a Bearer token.")
	}
	var err error
	if v.client, err = c.opts.Store.Client(r.Context(), acct.Client); err != nil {
		return v, err
	}
	v.visitor, err = v.client.ParseVisitorToken(r.Context(), acct.ID, token)
	if model.Is(err, model.Denied) {
		return v, web.Unauthenticated("The visitor's token is not valid. Say hello on the socket for a new one.")
	}
	if err != nil {
		return v, err
	}
	v.owner, err = v.client.AttachmentOwner(r.Context(), acct.ID, v.visitor)
	return v, err
}

// fileAccount returns the account of a request about a file, if the page that
// sends it may, and lets that page read the answer. Without an origin it is not
// from a page, or from one of the hub's own that only reads.
func (c *Chat) fileAccount(w http.ResponseWriter, r *http.Request) (accounts.Account, error) {
	acct, _, err := c.account(r)
	if err != nil {
		return acct, err
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case origin == "" && reads:
	case !originAllowed(origin, acct, c.opts.ExternalURL()):
		return acct, model.Errorf(model.Denied, "read origin", "This origin is not allowed.")
	default:
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After, Content-Disposition")
	}
	switch {
	case c.opts.Files == nil:
		err = model.Errorf(model.NotFound, "find chat files", "There are no files here.")
	case c.sockets.closing():
		err = model.Errorf(model.Unavailable, "serve chat files", "The hub is stopping.")
	case c.opts.Accounts.Status(acct.ID).State == accounts.Paused:
		err = model.Errorf(model.Unavailable, "serve chat files", "The account is paused.")
	}
	return acct, err
}

// preflight answers a browser that asks whether a page may send a token.
func (c *Chat) preflight(w http.ResponseWriter, r *http.Request) {
	if _, err := c.fileAccount(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// uploaded is what a visitor is told of their file: no link, no hash.
type uploaded struct {
	ID        model.AttachmentID    `json:"id"`
	Name      string                `json:"name"`
	Kind      model.AttachmentKind  `json:"kind"`
	MimeType  string                `json:"mime_type"`
	Size      int64                 `json:"size"`
	State     model.AttachmentState `json:"state"`
	ExpiresAt *model.Time           `json:"expires_at"`
}

// serveUpload takes a file that a visitor sends ahead of the message that will
// name it. It ends soon, unless that message comes.
func (c *Chat) serveUpload(w http.ResponseWriter, r *http.Request) {
	kept, err := c.takeUpload(w, r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	v := kept.View(c.opts.Now())
	web.JSON(w, r, http.StatusCreated, uploaded{
		ID: v.ID, Name: v.Name, Kind: v.Kind, MimeType: v.MimeType, Size: v.Size, State: v.State, ExpiresAt: v.ExpiresAt,
	})
}

func (c *Chat) takeUpload(w http.ResponseWriter, r *http.Request) (store.Attachment, error) {
	acct, err := c.fileAccount(w, r)
	if err != nil {
		return store.Attachment{}, err
	}
	if !takesFiles(acct) {
		return store.Attachment{}, model.Errorf(model.Denied, "take upload", "This chat takes no files.")
	}
	v, err := c.visitorOf(r, acct)
	if err != nil {
		return store.Attachment{}, err
	}
	leave, ok := c.uploads.enter(visitorKey{acct.ID, v.visitor}, addressGroup(c.opts.RemoteAddress(r)))
	if !ok {
		return store.Attachment{}, &model.Error{
			Code: model.Throttled, Op: "take upload", Detail: "Too many files at once. Wait for the others.", RetryAfter: 5 * time.Second,
		}
	}
	defer leave()
	rules := c.opts.Files.RulesOf(acct)
	upload, err := web.ReadUpload(w, r, rules.MaxSize)
	if err != nil {
		return store.Attachment{}, err
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		name = upload.Name
	}
	kept, err := c.opts.Files.Take(r.Context(), v.client, media.File{
		Name: name, Account: acct.ID, Owner: v.owner, TakeBy: c.opts.Now().Add(media.TakeWithin), Rules: rules, Body: upload.Body,
	})
	if err == nil {
		return kept, nil
	}
	if model.Is(err, model.Invalid) {
		// A browser reads the answer once it has sent all: what is left of a
		// body that is not too large is let in and dropped.
		_, _ = io.Copy(io.Discard, io.LimitReader(upload.Body, rules.MaxSize))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) && r.Context().Err() == nil {
		err = web.Malformed("The form broke off.")
	}
	return store.Attachment{}, err
}

// serveSent hands a visitor a file of their own conversation: one they sent, or
// one that was sent to them. Whose it is, or whether it is at all, looks the
// same to anybody else (I8).
func (c *Chat) serveSent(w http.ResponseWriter, r *http.Request) {
	web.FileHeaders(w.Header())
	a, client, err := c.findSent(w, r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	open := func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return c.opts.Files.Open(ctx, client, a, offset)
	}
	web.ServeFile(w, r, web.File{Name: a.Name, Type: a.Mime, SHA256: a.SHA256, Size: a.Size, Open: open}, func(err error) {
		c.log.Warn("a file could not be handed out whole", telemetry.FieldAccount, a.Account, "attachment", a.ID, "error", err)
	})
}

func (c *Chat) findSent(w http.ResponseWriter, r *http.Request) (store.Attachment, model.ClientID, error) {
	acct, err := c.fileAccount(w, r)
	if err != nil {
		return store.Attachment{}, "", err
	}
	v, err := c.visitorOf(r, acct)
	if err != nil {
		return store.Attachment{}, "", err
	}
	// Before the file, so that what is there takes no longer than what is not.
	dir, err := v.client.Find(r.Context(), acct.ID, v.visitor)
	if err != nil && !model.Is(err, model.NotFound) {
		return store.Attachment{}, "", err
	}
	a, err := v.client.Attachment(r.Context(), model.AttachmentID(r.PathValue("id")))
	if err != nil && !model.Is(err, model.NotFound) {
		return a, "", err
	}
	if err != nil || a.Account != acct.ID || !v.mayRead(a, dir.Conversation) {
		return a, "", model.Errorf(model.NotFound, "find chat file", "There is no such file.")
	}
	if a.Gone(c.opts.Now()) || a.State != model.AttachmentReady {
		return a, "", web.Gone("The file is not kept any more.") // I9
	}
	return a, acct.Client, nil
}

func (v visitorRequest) mayRead(a store.Attachment, conv model.ConversationID) bool {
	return a.Owner != model.Random16{} && a.Owner == v.owner || conv != "" && a.Conversation == conv
}

// uploadGate bounds the files on their way in: each may hold a part in memory,
// an image whole. It is safe for concurrent use.
type uploadGate struct {
	limits Limits

	mu        sync.Mutex
	all       int
	visitors  map[visitorKey]int
	addresses map[string]int
}

// enter counts one in if there is room for it.
func (g *uploadGate) enter(visitor visitorKey, address string) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.visitors == nil {
		g.visitors, g.addresses = map[visitorKey]int{}, map[string]int{}
	}
	if g.all >= g.limits.Uploads || g.visitors[visitor] >= g.limits.VisitorUploads || g.addresses[address] >= g.limits.AddressUploads {
		return nil, false
	}
	g.all++
	g.visitors[visitor]++
	g.addresses[address]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		less(g.visitors, visitor)
		less(g.addresses, address)
	}, true
}

func less[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// fileLimits is what the browser is told of files; nil when there are none to
// be sent.
func (c *Chat) fileLimits(acct accounts.Account) *welcomeFiles {
	if c.opts.Files == nil || !takesFiles(acct) {
		return nil
	}
	rules := c.opts.Files.RulesOf(acct)
	return &welcomeFiles{Size: rules.MaxSize, Types: slices.Clone(rules.Allow)}
}
