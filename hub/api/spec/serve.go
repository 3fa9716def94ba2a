package spec

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the style sheet
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed docs.css
var stylesheet []byte

// Server serves one API's document and reference page. It is made once and
// never changes.
type Server struct {
	base              string
	yaml, json, style file
	page              file
}

// file is bytes with the name that HTTP caches know them by.
type file struct {
	body  []byte
	media string
	etag  string
}

func newFile(media string, body []byte) file {
	sum := sha256.Sum256(body)
	return file{body, media, `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// New describes the API. It fails only on a description that cannot be
// written, which a test of that description finds.
func New(api API) (*Server, error) {
	d := newDocument(api)
	asYAML, err := d.yaml()
	if err != nil {
		return nil, err
	}
	asJSON, err := d.json()
	if err != nil {
		return nil, err
	}
	page, err := d.page()
	if err != nil {
		return nil, err
	}
	return &Server{
		base:  api.Base,
		yaml:  newFile("application/yaml", asYAML),
		json:  newFile("application/json", asJSON),
		style: newFile("text/css; charset=utf-8", stylesheet),
		page:  newFile("text/html; charset=utf-8", page),
	}, nil
}

// Document serves the OpenAPI document: as YAML, or as JSON for a path that
// ends so.
func (s *Server) Document(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == s.base+"/openapi.json" {
		s.json.serve(w, r)
		return
	}
	s.yaml.serve(w, r)
}

// Page serves the reference page.
func (s *Server) Page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// The page is text and one style sheet: nothing runs, nothing is fetched
	// from elsewhere.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	s.page.serve(w, r)
}

// Routes registers the document and the page, open to everybody: they say
// nothing that the source does not.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+s.base+"/openapi.yaml", s.Document)
	mux.HandleFunc("GET "+s.base+"/openapi.json", s.Document)
	mux.HandleFunc("GET "+s.base+"/docs", s.Page)
	mux.HandleFunc("GET "+s.base+"/docs/style.css", s.style.serve)
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // kept, and asked about each time
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
