package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// filesLimit is the largest file that the accounts of these tests take.
const filesLimit = 64 << 10

func startFileHub(t *testing.T, change func(*Options)) *testHub {
	t.Helper()
	h := startHub(t, newConnector(), change)
	all := demoAccounts()
	for id, a := range all {
		a.Attachments = model.AttachmentRules{MaxSize: filesLimit, Allow: []string{"text/plain", "image/*"}}
		all[id] = a
	}
	h.configure(all)
	return h
}

// request is one to upload a file, or to fetch one.
type request struct {
	method, path, origin, token, kind string
	body                              io.Reader
}

func (h *testHub) request(t *testing.T, q request) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), q.method, h.server.URL+q.path, q.body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Origin": q.origin, "Content-Type": q.kind, "Authorization": q.token} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func bearer(token string) string { return "Bearer " + token }

// upload sends a file as the visitor's page does.
func (b *browser) upload(h *testHub, name, body string) uploaded {
	b.t.Helper()
	got := h.request(b.t, request{
		http.MethodPost, "/chat/shop/upload?name=" + name, shopOrigin, bearer(b.token), "application/octet-stream", strings.NewReader(body),
	})
	var up uploaded
	if got.status != http.StatusCreated || json.Unmarshal([]byte(got.body), &up) != nil || !up.ID.Valid() {
		b.t.Fatalf("upload: %d %s", got.status, got.body)
	}
	if got.header.Get("Access-Control-Allow-Origin") != shopOrigin || strings.Contains(got.body, "/a/") || strings.Contains(got.body, "sha256") {
		b.t.Errorf("upload: %v %s", got.header, got.body)
	}
	return up
}

// fetch asks for a file as the visitor's page does.
func (b *browser) fetch(h *testHub, id model.AttachmentID) answer {
	b.t.Helper()
	return h.request(b.t, request{http.MethodGet, "/chat/shop/file/" + string(id), shopOrigin, bearer(b.token), "", nil})
}

// sendFiles says something with files, waits for the echo and returns it.
func (b *browser) sendFiles(text string, files ...uploaded) shown {
	b.t.Helper()
	var named []map[string]any
	for _, f := range files {
		named = append(named, map[string]any{"id": f.ID, "name": f.Name})
	}
	answer := b.ask(map[string]any{"type": "message", "text": text, "attachments": named})
	if answer.Type != "ack" || answer.MessageID == "" {
		b.t.Fatalf("the hub answered %+v to a message with files", answer)
	}
	b.until(func() bool { return b.shows(answer.MessageID) })
	return b.thread[len(b.thread)-1]
}

// TestFilesBothWays: a visitor sends a file, the CSR answers with one, and each
// is fetched by who it is for.
func TestFilesBothWays(t *testing.T) {
	h := startFileHub(t, nil)
	b := arrive(t, h, "", "")
	if diff := cmp.Diff(&welcomeFiles{Size: filesLimit, Types: []string{"text/plain", "image/*"}}, b.limits.Files); diff != "" {
		t.Errorf("the welcome says (-want +got):\n%s", diff)
	}
	up := b.upload(h, "note.txt", "hello there")
	if up.Name != "note.txt" || up.Size != 11 || up.MimeType != "text/plain" || up.State != model.AttachmentReady {
		t.Errorf("uploaded: %+v", up)
	}
	if wait := up.ExpiresAt.Sub(h.now()); wait <= 0 || wait > media.TakeWithin {
		t.Errorf("a file that no message took ends in %s", wait)
	}
	echo := b.sendFiles("my note", up)
	if len(echo.Attachments) != 1 || echo.Attachments[0].ID != up.ID || echo.Attachments[0].Name != "note.txt" || echo.Attachments[0].State != model.AttachmentReady || echo.Text != "my note" {
		t.Errorf("the echo is %+v", echo)
	}
	h.media.Pass(t.Context())
	conv := conversationOf(t, echo.ID)
	row, err := h.client(t).Attachment(t.Context(), up.ID)
	if err != nil || row.Message != echo.ID || row.Conversation != conv {
		t.Errorf("the file is %+v's, %v", row.Message, err)
	}
	got := b.fetch(h, up.ID)
	if got.status != http.StatusOK || got.body != "hello there" {
		t.Fatalf("fetched: %d %q", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Content-Disposition": `attachment; filename=note.txt`, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
		"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "Content-Type": "text/plain", "Access-Control-Allow-Origin": shopOrigin,
	} {
		if have := got.header.Get(name); !strings.HasPrefix(have, want) {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	answer := h.answerWithFile(t, conv, "yours.txt", "from the desk")
	b.until(func() bool { return b.shows(answer.ID()) })
	last := b.thread[len(b.thread)-1]
	if len(last.Attachments) != 1 || last.Status != model.Sent {
		t.Fatalf("shown as %+v", last)
	}
	if got := b.fetch(h, last.Attachments[0].ID); got.status != http.StatusOK || got.body != "from the desk" {
		t.Errorf("fetched: %d %q", got.status, got.body)
	}
	b.ask(map[string]any{"type": "read", "ids": []model.MessageID{answer.ID()}})
	again := arrive(t, h, b.token, "")
	if len(again.thread) != 2 || again.thread[1].Status != model.Read || len(again.thread[0].Attachments) != 1 {
		t.Errorf("a reload shows %+v", again.thread)
	}
}

// answerWithFile is the CSR's side of a message with a file.
func (h *testHub) answerWithFile(t *testing.T, conv model.ConversationID, name, body string) store.Outbound {
	t.Helper()
	a, err := h.media.Take(t.Context(), h.client(t), media.File{Name: name, Body: strings.NewReader(body), Rules: media.Rules{MaxSize: filesLimit}})
	if err != nil {
		t.Fatal(err)
	}
	row, err := h.client(t).ReadConversation(t.Context(), conv)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := h.outbound.Submit(t.Context(), demoClient, outbound.Request{
		Account: row.Account, Contact: row.Contact, Content: model.Content{Type: model.ContentMedia}, Attach: []model.AttachmentID{a.ID},
	}, outbound.Idempotency{Route: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return accepted.Message
}

// TestUploadsThatAreRefused: each is refused with its own status, and leaves
// nothing behind.
func TestUploadsThatAreRefused(t *testing.T) {
	h := startFileHub(t, nil)
	b := arrive(t, h, "", "")
	forum := forumToken(t, h)
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	if err := parts.WriteField("a", "no file"); err != nil {
		t.Fatal(err)
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	text := func() io.Reader { return strings.NewReader("hello") }
	big := strings.Repeat("a", filesLimit+1)
	for name, c := range map[string]struct {
		change func(*request)
		want   int
	}{
		"no token":              {func(q *request) { q.token = "" }, 401},
		"another scheme":        {func(q *request) { q.token = "Basic " + b.token }, 401},
		"a token cut off":       {func(q *request) { q.token = bearer(b.token[:len(b.token)-1]) }, 401},
		"a very long token":     {func(q *request) { q.token = bearer(strings.Repeat("a", maxOpaque+1)) }, 401},
		"another account's":     {func(q *request) { q.token = bearer(forum) }, 401},
		"a client's":            {func(q *request) { q.token = "Bearer hub_desk_" + strings.Repeat("a", 43) }, 401},
		"no origin":             {func(q *request) { q.origin = "" }, 403},
		"another origin":        {func(q *request) { q.origin = "https://evil.example" }, 403},
		"an unknown account":    {func(q *request) { q.path = "/chat/nobody/upload" }, 404},
		"an account without":    {func(q *request) { q.path = "/chat/anywhere/upload" }, 403},
		"another method":        {func(q *request) { q.method, q.body = http.MethodPut, text() }, 405},
		"nothing":               {func(q *request) { q.body = strings.NewReader("") }, 422},
		"a page":                {func(q *request) { q.body = strings.NewReader("<!doctype html><script>1</script>") }, 422},
		"a type not allowed":    {func(q *request) { q.body = strings.NewReader("%PDF-1.7\n%...") }, 422},
		"an image that is none": {func(q *request) { q.body = strings.NewReader("\x89PNG\r\n\x1a\nnothing") }, 422},
		"a byte too many":       {func(q *request) { q.body = strings.NewReader(big) }, 413},
		"too many, unmeasured":  {func(q *request) { q.body = io.MultiReader(strings.NewReader(big)) }, 413},
		"far too many":          {func(q *request) { q.body = strings.NewReader(strings.Repeat("a", 4*filesLimit)) }, 413},
		"a form without bounds": {func(q *request) { q.kind = "multipart/form-data" }, 400},
		"a form that is none":   {func(q *request) { q.kind = "multipart/form-data; boundary=x" }, 400},
		"a form without a file": {func(q *request) { q.kind, q.body = parts.FormDataContentType(), bytes.NewReader(form.Bytes()) }, 400},
		"a form that breaks off": {func(q *request) {
			q.kind, q.body = "multipart/form-data; boundary=x", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nhello")
		}, 400},
		"a form with too many bytes": {func(q *request) {
			q.kind, q.body = "multipart/form-data; boundary=x", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\n"+big+"\r\n--x--\r\n")
		}, 413},
	} {
		q := request{http.MethodPost, "/chat/shop/upload?name=a.txt", shopOrigin, bearer(b.token), "application/octet-stream", text()}
		c.change(&q)
		got := h.request(t, q)
		if got.status != c.want || !strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.want)
		}
		allowed := got.header.Get("Access-Control-Allow-Origin")
		if readable := c.want != 404 && c.want != 405 && q.origin == shopOrigin; readable != (allowed == shopOrigin) {
			t.Errorf("%s: the page may read the answer: %q", name, allowed)
		}
	}
	for _, kind := range []string{media.DueKind, media.UntakenKind} {
		left, _, err := h.client(t).DueBetween(t.Context(), h.now(), h.now().Add(48*time.Hour), kind, 100)
		if err != nil || left != 0 {
			t.Errorf("%d notes of the kind %s are left, %v", left, kind, err)
		}
	}
}

// forumToken is the token of a visitor of the account forum.
func forumToken(t *testing.T, h *testHub) string {
	t.Helper()
	token, err := h.client(t).VisitorToken(t.Context(), "forum", store.NewVisitor(), h.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestPreflight: a browser asks before it sends a token across origins.
func TestPreflight(t *testing.T) {
	h := startFileHub(t, nil)
	for origin, want := range map[string]int{shopOrigin: 204, "https://evil.example": 403, "": 403} {
		for _, path := range []string{"/chat/shop/upload", "/chat/shop/file/" + string(model.NewAttachmentID())} {
			got := h.request(t, request{http.MethodOptions, path, origin, "", "", nil})
			allowed := got.header.Get("Access-Control-Allow-Origin")
			if got.status != want || (allowed == shopOrigin) != (want == 204) || got.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %q: %d, allowed %q", path, origin, got.status, allowed)
			}
			if want == 204 && !strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "Authorization") {
				t.Errorf("%s: %v", path, got.header)
			}
		}
	}
}

// TestUploadsThatStall: a body that stops coming is let go, and leaves nothing.
func TestUploadsThatStall(t *testing.T) {
	h := startFileHub(t, nil)
	b := arrive(t, h, "", "")
	mux := http.NewServeMux()
	h.Routes(mux)
	server := httptest.NewServer(web.Handler(mux, web.Options{BodyTimeout: 20 * time.Millisecond}))
	defer server.Close()
	for name, break_ := range map[string]func(net.Conn){
		"stalls":     func(net.Conn) {},
		"breaks off": func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, //nolint:forcetypeassert // dialled as tcp
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST /chat/shop/upload HTTP/1.1\r\nHost: hub\r\nOrigin: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 50000\r\nConnection: close\r\n\r\n%s",
			shopOrigin, b.token, strings.Repeat("hello", 1000))
		if err != nil {
			t.Fatal(err)
		}
		break_(conn)
		said, err := io.ReadAll(conn)
		if err != nil || !bytes.HasPrefix(said, []byte("HTTP/1.1 400")) {
			t.Errorf("a body that %s: %v, %.60q", name, err, said)
		}
		_ = conn.Close()
	}
	eventually(t, "the room is free again", func() bool {
		h.uploads.mu.Lock()
		defer h.uploads.mu.Unlock()
		return h.uploads.all == 0 && len(h.uploads.visitors) == 0 && len(h.uploads.addresses) == 0
	})
	if left, _, err := h.client(t).DueBetween(t.Context(), h.now(), h.now().Add(48*time.Hour), media.DueKind, 100); err != nil || left != 0 {
		t.Errorf("%d notes are left, %v", left, err)
	}
}

// TestUploadsAtOnce: a visitor has few at one time, and so has an address; who
// waits a little is let in.
func TestUploadsAtOnce(t *testing.T) {
	h := startFileHub(t, func(o *Options) {
		o.Limits.VisitorUploads, o.Limits.AddressUploads = 1, 2
	})
	visitors := []*browser{arrive(t, h, "", ""), arrive(t, h, "", ""), arrive(t, h, "", "")}
	begin := func(b *browser) (finish func() answer) {
		r, w := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.server.URL+"/chat/shop/upload", r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", shopOrigin)
		req.Header.Set("Authorization", bearer(b.token))
		done := make(chan answer, 1)
		go func() {
			defer cancel()
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				done <- answer{body: err.Error()}
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			done <- answer{resp.StatusCode, resp.Header, string(body)}
		}()
		if _, err := w.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		return func() answer {
			_ = w.Close()
			return <-done
		}
	}
	inside := func(n int) {
		t.Helper()
		eventually(t, "uploads are under way", func() bool {
			h.uploads.mu.Lock()
			defer h.uploads.mu.Unlock()
			return h.uploads.all == n
		})
	}
	try := func(b *browser) answer {
		return h.request(t, request{http.MethodPost, "/chat/shop/upload", shopOrigin, bearer(b.token), "", strings.NewReader("hello")})
	}
	first := begin(visitors[0])
	inside(1)
	if got := try(visitors[0]); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("a second of one visitor: %d %v", got.status, got.header)
	}
	second := begin(visitors[1])
	inside(2)
	if got := try(visitors[2]); got.status != http.StatusTooManyRequests {
		t.Errorf("a third from one address: %d", got.status)
	}
	for _, finish := range []func() answer{first, second} {
		if got := finish(); got.status != http.StatusCreated {
			t.Errorf("finished: %d %s", got.status, got.body)
		}
	}
	inside(0)
	if got := try(visitors[2]); got.status != http.StatusCreated {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// TestFilesAreTheirOwners: whose a file is, and whether there is one, looks
// alike to everybody else; what has ended is gone for its owner.
func TestFilesAreTheirOwners(t *testing.T) {
	h := startFileHub(t, nil)
	ada, bob := arrive(t, h, "", ""), arrive(t, h, "", "")
	left, sent := ada.upload(h, "left.txt", "left"), ada.upload(h, "sent.txt", "sent")
	conv := conversationOf(t, ada.sendFiles("", sent).ID)
	bob.say("Hello")
	h.media.Pass(t.Context())
	replied := h.answerWithFile(t, conv, "desk.txt", "desk")
	desk := replied.Message.Attachments[0].ID
	free, err := h.media.Take(t.Context(), h.client(t), media.File{Name: "free.txt", Body: strings.NewReader("free"), Rules: media.Rules{MaxSize: filesLimit}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []model.AttachmentID{left.ID, sent.ID, desk} {
		if got := ada.fetch(h, id); got.status != http.StatusOK {
			t.Errorf("her own: %d", got.status)
		}
	}
	missing := bob.fetch(h, model.NewAttachmentID())
	alike := func(got answer) bool {
		strip := func(a answer) string {
			body := a.body
			if i := strings.Index(body, `"request_id"`); i >= 0 {
				body = body[:i]
			}
			header := a.header.Clone()
			header.Del("X-Request-Id")
			header.Del("Date")
			return fmt.Sprint(a.status, header, body)
		}
		return strip(got) == strip(missing)
	}
	if missing.status != http.StatusNotFound || missing.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
		t.Errorf("a guess: %d %v", missing.status, missing.header)
	}
	for name, id := range map[string]model.AttachmentID{"left": left.ID, "sent": sent.ID, "the desk's": desk, "nobody's yet": free.ID, "no id at all": "att_x"} {
		if got := bob.fetch(h, id); !alike(got) {
			t.Errorf("another's, %s: %d %v %s", name, got.status, got.header, got.body)
		}
	}
	if got := ada.fetch(h, free.ID); !alike(got) {
		t.Errorf("the application's own: %d", got.status)
	}
	path := "/chat/shop/file/" + string(sent.ID)
	for name, q := range map[string]struct {
		request
		want int
	}{
		"without a token":    {request{http.MethodGet, path, shopOrigin, "", "", nil}, 401},
		"another account's":  {request{http.MethodGet, path, shopOrigin, bearer(forumToken(t, h)), "", nil}, 401},
		"on another account": {request{http.MethodGet, "/chat/forum/file/" + string(sent.ID), shopOrigin, bearer(forumToken(t, h)), "", nil}, 404},
		"another origin":     {request{http.MethodGet, path, "https://evil.example", bearer(ada.token), "", nil}, 403},
		"a page of the hub":  {request{http.MethodGet, path, "", bearer(ada.token), "", nil}, 200},
		"its head":           {request{http.MethodHead, path, shopOrigin, bearer(ada.token), "", nil}, 200},
		"the token in a URL": {request{http.MethodGet, path + "?token=" + ada.token, shopOrigin, "", "", nil}, 401},
	} {
		if got := h.request(t, q.request); got.status != q.want {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, q.want)
		}
	}
	h.clock.Add(int64(media.TakeWithin))
	for id, want := range map[model.AttachmentID]int{left.ID: 410, sent.ID: 200, desk: 200} {
		if got := ada.fetch(h, id); got.status != want {
			t.Errorf("an hour later: %d, want %d", got.status, want)
		}
	}
	h.clock.Add(int64(24*time.Hour - media.TakeWithin))
	for _, id := range []model.AttachmentID{sent.ID, desk} {
		// Its row goes within the second: from then on nobody knows that there
		// was a file.
		if got := ada.fetch(h, id); got.status != http.StatusGone && got.status != http.StatusNotFound {
			t.Errorf("a day later: %d, want 410 or 404", got.status)
		}
	}
	if got := bob.fetch(h, sent.ID); got.status != http.StatusNotFound {
		t.Errorf("a day later, to another: %d, want 404", got.status)
	}
}

// TestForeignFilesAreNotAdopted: a message that names another visitor's file
// shows one that was refused, to both sides.
func TestForeignFilesAreNotAdopted(t *testing.T) {
	h := startFileHub(t, nil)
	ada, bob := arrive(t, h, "", ""), arrive(t, h, "", "")
	theirs := ada.upload(h, "a.txt", "hers")
	echo := bob.sendFiles("look", theirs)
	if len(echo.Attachments) != 1 || echo.Attachments[0].State != model.AttachmentRefused || echo.Attachments[0].ID == theirs.ID {
		t.Errorf("the echo is %+v", echo)
	}
	h.media.Pass(t.Context())
	row, err := h.client(t).Attachment(t.Context(), theirs.ID)
	if err != nil || row.Message != "" {
		t.Errorf("the file is taken: %v", err)
	}
	if got := ada.sendFiles("mine", theirs); got.Attachments[0].State != model.AttachmentReady {
		t.Errorf("her own message shows %+v", got)
	}
}

// TestFilesThatSettle: a page that shows a file still to be scanned is shown
// the verdict, in place of the first.
func TestFilesThatSettle(t *testing.T) {
	h := startFileHub(t, nil)
	b := arrive(t, h, "", "")
	up := b.upload(h, "a.txt", "hello")
	turn := func(to model.AttachmentState) {
		t.Helper()
		row, err := h.client(t).Attachment(t.Context(), up.ID)
		if err != nil {
			t.Fatal(err)
		}
		row.State = to
		if _, ok, err := h.client(t).PutAttachment(t.Context(), row); err != nil || !ok {
			t.Fatalf("turn the row: %v, %v", ok, err)
		}
	}
	turn(model.AttachmentPending)
	echo := b.sendFiles("", up)
	if echo.Attachments[0].State != model.AttachmentPending {
		t.Fatalf("the echo shows %s", echo.Attachments[0].State)
	}
	if got := b.fetch(h, up.ID); got.status != http.StatusGone {
		t.Errorf("a file without a verdict: %d", got.status)
	}
	place := b.position
	b.say("meanwhile") // nothing changed: it is not shown again
	if n := len(b.thread); n != 2 {
		t.Errorf("%d messages were shown, want 2", n)
	}
	turn(model.AttachmentRefused)
	h.Notify(demoClient, conversationOf(t, echo.ID))
	b.until(func() bool { return len(b.thread) == 3 })
	if last := b.thread[2]; last.ID != echo.ID || last.Attachments[0].State != model.AttachmentRefused {
		t.Errorf("shown again as %+v", last)
	}
	if back := arrive(t, h, b.token, place); len(back.thread) != 1 {
		t.Errorf("a verdict moved the place: %q", back.texts())
	}
}

// TestTrimmedLane: what a page stands at was removed, while it was open and
// while it was away. It is shown what is left, and goes on from there.
func TestTrimmedLane(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	open := arrive(t, h, "", "")
	conv := conversationOf(t, open.say("one").MessageID)
	away := open.tab(h, "")
	if err := away.conn.CloseNow(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		said := h.say(t, conv, fmt.Sprint(i))
		open.until(func() bool { return open.shows(said.ID()) })
	}
	lane := h.client(t).Lane(conv)
	tail, err := lane.Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.sockets.poke(conversationKey{demoClient, conv})
	if _, err := lane.Trim(t.Context(), tail); err != nil {
		t.Fatal(err)
	}
	want := []string{"customer: one", "csr: 0", "csr: 1", "csr: 2"}
	back := arrive(t, h, away.token, away.position)
	if diff := cmp.Diff(want, back.texts()); diff != "" || back.resumed {
		t.Errorf("from below the floor, resumed %v (-want +got):\n%s", back.resumed, diff)
	}
	// A page that is open and behind, as one is that could not be shown anything.
	v := view{socket: anySocket(h), at: &position{in: 1}}
	if _, err := v.advance(t.Context(), conv, 1); !model.Is(err, model.Unavailable) || v.at != nil {
		t.Errorf("from below the floor: %v, %+v", err, v.at)
	}
	said := h.say(t, conv, "and on")
	for name, b := range map[string]*browser{"open": open, "back": back} {
		b.until(func() bool { return b.shows(said.ID()) })
		if diff := cmp.Diff(append(want, "csr: and on"), b.texts()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// anySocket returns one of the open sockets.
func anySocket(h *testHub) *socket { return h.sockets.all()[0] }
