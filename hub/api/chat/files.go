package chat

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// pagePolicy is what a page of a connector may do: load its own files, and
// talk to the hub.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// minCompressed is the size below which compressing saves nothing.
const minCompressed = 512

// file is an asset, ready to be served.
type file struct {
	pluginhost.Asset
	etag      string
	immutable bool
	packed    []byte // gzip; nil when that saves nothing
}

// fileCache holds the files of each connector's newest descriptor. It is safe
// for concurrent use.
type fileCache struct {
	mu  sync.Mutex
	per map[model.PluginID]*fileSet
}

type fileSet struct {
	of    *pluginhost.Asset // the first of the assets it was made from
	files map[string]*file
}

// of returns the files of a descriptor by path.
func (c *fileCache) of(plugin model.PluginID, assets []pluginhost.Asset) map[string]*file {
	if len(assets) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A descriptor is never changed: the same assets lie in the same place.
	if set, ok := c.per[plugin]; ok && set.of == &assets[0] {
		return set.files
	}
	set := &fileSet{of: &assets[0], files: make(map[string]*file, len(assets))}
	for _, a := range assets {
		set.files[a.Path] = newFile(a)
	}
	if c.per == nil {
		c.per = map[model.PluginID]*fileSet{}
	}
	c.per[plugin] = set
	return set.files
}

func newFile(a pluginhost.Asset) *file {
	sum := sha256.Sum256(a.Body)
	hash := hex.EncodeToString(sum[:])
	f := &file{Asset: a, etag: hash[:32], immutable: named(a.Path, hash)}
	if len(a.Body) >= minCompressed {
		if b := compress(a.Body); len(b) < len(a.Body) {
			f.packed = b
		}
	}
	return f
}

var hashInName = regexp.MustCompile(`-([0-9a-f]{8,64})\.[A-Za-z0-9]+$`)

// named reports whether the name holds the file's own hash: then whatever has
// that name never changes.
func named(name, hash string) bool {
	m := hashInName.FindStringSubmatch(path.Base(name))
	return m != nil && strings.HasPrefix(hash, m[1])
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return body
	}
	// A buffer takes everything.
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

// serveDemo serves the connector's demo page.
func (c *Chat) serveDemo(w http.ResponseWriter, r *http.Request) { c.serve(w, r, "demo.html") }

// serveFile serves a file of the account's connector.
func (c *Chat) serveFile(w http.ResponseWriter, r *http.Request) { c.serve(w, r, r.PathValue("file")) }

func (c *Chat) serve(w http.ResponseWriter, r *http.Request, name string) {
	acct, desc, err := c.account(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if desc.Recalled {
		web.Fail(w, r, model.Errorf(model.Unavailable, "serve chat file", "The chat is not ready yet."))
		return
	}
	f, ok := c.files.of(acct.Plugin, desc.Assets)[name]
	if !ok || f.Demo && !c.opts.Demo {
		web.Fail(w, r, model.Errorf(model.NotFound, "serve chat file", "There is no such file."))
		return
	}
	f.serve(w, r)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.ContentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	switch {
	case strings.HasPrefix(f.ContentType, "text/html"):
		// A page is opened by itself, by its visitor: nobody else's script
		// reads it.
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "no-referrer")
	case f.immutable:
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		foreign(h)
	default:
		h.Set("Cache-Control", "no-cache")
		foreign(h)
	}
	body, tag := f.Body, f.etag
	if f.packed != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body, tag = f.packed, tag+"-gz"
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// foreign lets sites of other origins load the file. It holds nothing private.
func foreign(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// acceptsGzip reads Accept-Encoding: the weight of gzip, or else of everything,
// is above zero.
func acceptsGzip(values []string) bool {
	accepts := false
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, params, _ := strings.Cut(coding, ";")
		name = strings.TrimSpace(name)
		weight, weighted := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		yes := !weighted || err == nil && q > 0
		switch {
		case strings.EqualFold(name, "gzip"):
			return yes
		case name == "*":
			accepts = yes
		}
	}
	return accepts
}
