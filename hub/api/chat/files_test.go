package chat

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/pluginhost"
)

// answer is what came back for a file.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks for a file as a browser does that knows what compression is, but
// lets nobody unpack behind its back.
func get(t *testing.T, h *testHub, path string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
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

const script = "text/javascript; charset=utf-8"

func testAssets() (assets []pluginhost.Asset, hashed string) {
	panel := strings.Repeat("console.log('panel');\n", 100)
	sum := sha256.Sum256([]byte(panel))
	hashed = "panel-" + hex.EncodeToString(sum[:])[:12] + ".js"
	return []pluginhost.Asset{
		{Path: "widget.js", ContentType: script, Body: []byte("console.log('widget')")},
		{Path: hashed, ContentType: script, Body: []byte(panel)},
		{Path: "panel-0123456789ab.js", ContentType: script, Body: []byte("a name that lies")},
		{Path: "demo.html", ContentType: "text/html; charset=utf-8", Body: []byte("<!doctype html>"), Demo: true},
		{Path: "img/logo.svg", ContentType: "image/svg+xml", Body: []byte("<svg/>")},
	}, hashed
}

func TestFiles(t *testing.T) {
	plugins := newConnector()
	assets, hashed := testAssets()
	plugins.assets = assets
	h := startHub(t, plugins, func(o *Options) { o.Demo = true })
	type headers struct{ Type, Cache, Allow, Policy, Sniff, Resource string }
	shared := headers{Type: script, Allow: "*", Sniff: "nosniff", Resource: "cross-origin"}
	loader, forever := shared, shared
	loader.Cache, forever.Cache = "no-cache", "public, max-age=31536000, immutable"
	logo := loader
	logo.Type = "image/svg+xml"
	page := headers{Type: "text/html; charset=utf-8", Cache: "no-store", Policy: pagePolicy, Sniff: "nosniff"}
	for name, want := range map[string]headers{
		"widget.js": loader, hashed: forever, "panel-0123456789ab.js": loader,
		"demo": page, "demo.html": page, "img/logo.svg": logo,
	} {
		resp := get(t, h, "/chat/shop/"+name, nil)
		if resp.status != http.StatusOK {
			t.Errorf("%s: %d", name, resp.status)
		}
		got := headers{
			Type: resp.header.Get("Content-Type"), Cache: resp.header.Get("Cache-Control"),
			Allow: resp.header.Get("Access-Control-Allow-Origin"), Policy: resp.header.Get("Content-Security-Policy"),
			Sniff: resp.header.Get("X-Content-Type-Options"), Resource: resp.header.Get("Cross-Origin-Resource-Policy"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, path := range []string{"/chat/shop/manifest.json", "/chat/shop/", "/chat/shop/img/", "/chat/nobody/widget.js"} {
		if resp := get(t, h, path, nil); resp.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.status)
		}
	}
}

func TestFilesAreNotSentTwice(t *testing.T) {
	plugins := newConnector()
	plugins.assets, _ = testAssets()
	h := startHub(t, plugins, nil)
	first := get(t, h, "/chat/shop/widget.js", nil)
	tag := map[string]string{"If-None-Match": first.header.Get("ETag")}
	if again := get(t, h, "/chat/shop/widget.js", tag); tag["If-None-Match"] == "" || again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("%q: %d with %q", tag["If-None-Match"], again.status, again.body)
	}

	// A connector that was replaced brings other files under the same names.
	assets, _ := testAssets()
	assets[0].Body = []byte("console.log('a newer widget')")
	plugins.mu.Lock()
	plugins.assets = assets
	plugins.mu.Unlock()
	if newer := get(t, h, "/chat/shop/widget.js", tag); newer.status != http.StatusOK {
		t.Errorf("a changed file: %d with %q", newer.status, newer.body)
	}
}

func TestFilesAreCompressed(t *testing.T) {
	plugins := newConnector()
	assets, hashed := testAssets()
	plugins.assets = assets
	h := startHub(t, plugins, nil)
	plain := get(t, h, "/chat/shop/"+hashed, nil)
	packed := get(t, h, "/chat/shop/"+hashed, map[string]string{"Accept-Encoding": "br, gzip"})
	if packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) >= len(plain.body) || packed.header.Get("Vary") == "" {
		t.Errorf("%v with %d bytes of %d", packed.header, len(packed.body), len(plain.body))
	}
	if plain.header.Get("ETag") == packed.header.Get("ETag") {
		t.Error("two forms of a file share a tag")
	}
	r, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != plain.body {
		t.Errorf("unpacked it is %d bytes, %v", len(got), err)
	}
	if small := get(t, h, "/chat/shop/widget.js", map[string]string{"Accept-Encoding": "gzip"}); small.header.Get("Content-Encoding") != "" {
		t.Error("a file that compressing makes no smaller is compressed")
	}
}

func TestDemoIsServedInDemoModeOnly(t *testing.T) {
	plugins := newConnector()
	plugins.assets, _ = testAssets()
	h := startHub(t, plugins, nil)
	for _, path := range []string{"/chat/shop/demo", "/chat/shop/demo.html"} {
		if resp := get(t, h, path, nil); resp.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.status)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, *": false,
		"*": true, "*;q=0": false, "br": false, "gzip;q=x": false, "identity": false,
	} {
		if got := acceptsGzip([]string{value}); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
