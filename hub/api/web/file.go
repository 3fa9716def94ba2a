package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/storage/blob"
)

// File is a stored file as it is handed out.
type File struct {
	Name   string
	Type   string // as the hub found it
	SHA256 string
	Size   int64
	// Open returns the bytes from an offset on.
	Open func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

// filePolicy lets a file do nothing, should a browser show it after all.
const filePolicy = "default-src 'none'; sandbox"

// FileHeaders sets what goes with every answer about a file, whatever it is: it
// is for one reader, now, and nothing in it runs.
func FileHeaders(h http.Header) {
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", filePolicy)
}

// ServeFile hands the bytes out: always to be saved, never to be shown as a
// page. When they end too soon, failed is called and the connection is cut: a
// file that is cut off must not look whole.
func ServeFile(w http.ResponseWriter, r *http.Request, f File, failed func(error)) {
	h := w.Header()
	FileHeaders(h)
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", blob.Disposition(f.Name))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a site shows its chat's pictures
	h.Set("ETag", strconv.Quote(f.SHA256))
	if strings.Contains(r.Header.Get("Range"), ",") {
		// Many ranges of one file would have it opened as many times.
		r.Header.Del("Range")
	}
	body := &fileReader{ctx: r.Context(), of: f}
	defer body.close()
	http.ServeContent(w, r, "", time.Time{}, body)
	if body.err != nil && r.Context().Err() == nil {
		failed(body.err)
		panic(http.ErrAbortHandler)
	}
}

// fileReader is a file as http.ServeContent reads it: opened at the first byte
// that is asked for. It belongs to one request.
type fileReader struct {
	ctx context.Context //nolint:containedctx // lives no longer than the request that it is made in
	of  File

	at   int64
	body io.ReadCloser
	err  error
}

// Seek implements io.Seeker.
func (r *fileReader) Seek(offset int64, whence int) (int64, error) {
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
func (r *fileReader) Read(p []byte) (n int, err error) {
	if r.body == nil {
		if r.body, err = r.of.Open(r.ctx, r.at); err != nil {
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

func (r *fileReader) close() {
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
}
