package pebbletable_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

func open(t *testing.T, dir string, opts *pebbletable.Options) *pebbletable.Store {
	t.Helper()
	store, err := pebbletable.Open(dir, opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return store
}

func TestConformance(t *testing.T) {
	for name, fs := range map[string]func() vfs.FS{
		"memory": func() vfs.FS { return vfs.NewMem() },
		"disk":   func() vfs.FS { return vfs.Default },
	} {
		t.Run(name, func(t *testing.T) {
			var opts pebbletable.Options
			var dir string
			drivertest.Run(t, drivertest.Harness{
				Open: func(t *testing.T) driver.Driver {
					opts, dir = pebbletable.Options{FS: fs()}, t.TempDir()
					return open(t, dir, &opts)
				},
				Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					return open(t, dir, &opts)
				},
			})
		})
	}
}
