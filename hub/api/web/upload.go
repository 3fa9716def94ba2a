package web

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

const (
	// uploadWithin is how long an upload may take in all: 25 MiB over a slow
	// telephone.
	uploadWithin = 10 * time.Minute
	// formSlack is what a form has beside its file.
	formSlack = 64 << 10
)

// Upload is a file on its way in. Its body is read once.
type Upload struct {
	Name    string // of a form's file
	Body    io.Reader
	MaxSize int64
}

// ReadUpload begins to read a file of at most limit bytes: the raw body, or
// the first file of a multipart form. The body is not kept in memory; one that
// stalls or lasts too long fails.
func ReadUpload(w http.ResponseWriter, r *http.Request, limit int64) (Upload, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return Upload{}, problem(errMediaType, "Send the body without a Content-Encoding.")
	}
	if r.ContentLength > limit+formSlack {
		return Upload{}, tooLarge(limit)
	}
	Lasting(r.Context())
	slow := &pacedReader{r: r.Body, rc: http.NewResponseController(w), stall: infoOf(r.Context()).bodyTimeout, until: time.Now().Add(uploadWithin)}
	up := Upload{Body: slow, MaxSize: limit}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return up, nil // whatever it is called: what it is, is sniffed
	}
	if params["boundary"] == "" {
		return Upload{}, Malformed("The form has no boundary.")
	}
	form := multipart.NewReader(slow, params["boundary"])
	for range 16 {
		part, err := form.NextPart()
		if err != nil {
			break
		}
		if part.FileName() != "" {
			up.Name, up.Body = part.FileName(), part
			return up, nil
		}
	}
	return Upload{}, Malformed("The form holds no file.")
}

// pacedReader gives each read a deadline of its own.
type pacedReader struct {
	r     io.Reader
	rc    *http.ResponseController
	stall time.Duration // how long it may bring nothing
	until time.Time
}

func (p *pacedReader) Read(b []byte) (int, error) {
	by := time.Now().Add(p.stall)
	if p.until.Before(by) {
		by = p.until
	}
	_ = p.rc.SetReadDeadline(by) // a writer that knows no deadlines is not a connection
	n, err := p.r.Read(b)
	if err != nil {
		_ = p.rc.SetReadDeadline(time.Time{})
		if !errors.Is(err, io.EOF) {
			return n, Malformed("The body did not arrive whole and in time.")
		}
	}
	return n, err
}
