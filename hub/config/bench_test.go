package config

import (
	"fmt"
	"path/filepath"
	"testing"
)

// BenchmarkLoad loads a fleet of a thousand clients, one file each.
func BenchmarkLoad(b *testing.B) {
	b.Chdir(b.TempDir())
	writeFile(b, "hub.yaml", "include: [clients.d/*.yaml]\n")
	for i := range 1000 {
		writeFile(b, filepath.Join("clients.d", fmt.Sprintf("c%d.yaml", i)), fmt.Sprintf(
			"clients:\n  c%d:\n    name: Client\n    accounts:\n      a%d-1: {plugin: echo, config: {reply_url: \"http://x\", list: [1, 2]}, secrets: {secret: [\"${env:S}\"]}}\n      a%d-2: {plugin: echo}\n", i, i, i))
	}
	for b.Loop() {
		cfg, _, err := Load(b.Context(), &Options{Files: []string{"hub.yaml"}, Env: func() []string { return []string{"S=x"} }})
		if err != nil || len(cfg.Clients) != 1000 {
			b.Fatalf("%d clients, %v", len(cfg.Clients), err)
		}
	}
}
