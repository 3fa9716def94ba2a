package webchat

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/sdk"
)

//go:embed assets
var embedded embed.FS

const (
	assetsDir    = "assets"
	manifestName = "manifest.json"
)

// manifest says what lies in assets/: it is written by web/build.mjs.
type manifest struct {
	SourcesSHA256 string                  `json:"sources_sha256"`
	Files         map[string]manifestFile `json:"files"`
}

type manifestFile struct {
	ContentType string `json:"content_type"`
	Immutable   bool   `json:"immutable"`
	Size        int    `json:"size"`
	SHA256      string `json:"sha256"`
}

func readManifest(from fs.FS) (manifest, error) {
	var m manifest
	b, err := fs.ReadFile(from, assetsDir+"/"+manifestName)
	if err != nil {
		return m, fmt.Errorf("read manifest of assets: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("read manifest of assets: %w", err)
	}
	return m, nil
}

// loadAssets returns the files that the manifest lists.
func loadAssets(from fs.FS) ([]sdk.Asset, error) {
	m, err := readManifest(from)
	if err != nil {
		return nil, err
	}
	var assets []sdk.Asset
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		body, err := fs.ReadFile(from, assetsDir+"/"+name)
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		assets = append(assets, sdk.Asset{Path: name, ContentType: m.Files[name].ContentType, Body: body, Demo: forDemo(name)})
	}
	return assets, nil
}

// forDemo reports whether a file belongs to the demo page and the desk on it,
// which are served by a hub in demo mode only.
func forDemo(name string) bool {
	return name == "demo.html" || strings.HasPrefix(name, "demo-") || strings.HasPrefix(name, "desk-")
}

// mustAssets is loadAssets of files that are part of the binary: a test shows
// that they are whole.
func mustAssets(from fs.FS) []sdk.Asset {
	assets, err := loadAssets(from)
	if err != nil {
		panic(err)
	}
	return assets
}
