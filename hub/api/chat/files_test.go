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

// get asks for a file as a browser does that knows what compression is, but
// lets nobody unpack behind its back.
func get(t *testing.T, h *testHub, path string, header map[string]string) (*http.Response, string) {
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
	return resp, string(body)
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
		resp, _ := get(t, h, "/chat/shop/"+name, nil)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, resp.Status)
		}
		got := headers{
			Type: resp.Header.Get("Content-Type"), Cache: resp.Header.Get("Cache-Control"),
			Allow: resp.Header.Get("Access-Control-Allow-Origin"), Policy: resp.Header.Get("Content-Security-Policy"),
			Sniff: resp.Header.Get("X-Content-Type-Options"), Resource: resp.Header.Get("Cross-Origin-Resource-Policy"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, path := range []string{"/chat/shop/manifest.json", "/chat/shop/", "/chat/shop/img/", "/chat/nobody/widget.js"} {
		if resp, _ := get(t, h, path, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func TestFilesAreNotSentTwice(t *testing.T) {
	plugins := newConnector()
	plugins.assets, _ = testAssets()
	h := startHub(t, plugins, nil)
	first, _ := get(t, h, "/chat/shop/widget.js", nil)
	again, body := get(t, h, "/chat/shop/widget.js", map[string]string{"If-None-Match": first.Header.Get("ETag")})
	if first.Header.Get("ETag") == "" || again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("%q: %s with %q", first.Header.Get("ETag"), again.Status, body)
	}

	// A connector that was replaced brings other files under the same names.
	assets, _ := testAssets()
	assets[0].Body = []byte("console.log('a newer widget')")
	plugins.mu.Lock()
	plugins.assets = assets
	plugins.mu.Unlock()
	if newer, body := get(t, h, "/chat/shop/widget.js", map[string]string{"If-None-Match": first.Header.Get("ETag")}); newer.StatusCode != http.StatusOK {
		t.Errorf("a changed file: %s with %q", newer.Status, body)
	}
}

func TestFilesAreCompressed(t *testing.T) {
	plugins := newConnector()
	assets, hashed := testAssets()
	plugins.assets = assets
	h := startHub(t, plugins, nil)
	plain, want := get(t, h, "/chat/shop/"+hashed, nil)
	packed, body := get(t, h, "/chat/shop/"+hashed, map[string]string{"Accept-Encoding": "br, gzip"})
	if packed.Header.Get("Content-Encoding") != "gzip" || len(body) >= len(want) || packed.Header.Get("Vary") == "" {
		t.Errorf("%v with %d bytes of %d", packed.Header, len(body), len(want))
	}
	if plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Error("two forms of a file share a tag")
	}
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Errorf("unpacked it is %d bytes, %v", len(got), err)
	}
	if small, _ := get(t, h, "/chat/shop/widget.js", map[string]string{"Accept-Encoding": "gzip"}); small.Header.Get("Content-Encoding") != "" {
		t.Error("a file that compressing makes no smaller is compressed")
	}
}

func TestDemoIsServedInDemoModeOnly(t *testing.T) {
	plugins := newConnector()
	plugins.assets, _ = testAssets()
	h := startHub(t, plugins, nil)
	for _, path := range []string{"/chat/shop/demo", "/chat/shop/demo.html"} {
		if resp, _ := get(t, h, path, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
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
