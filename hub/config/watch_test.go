package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGather drives the gathering of changes with a clock and events of its
// own, over real files.
func TestGather(t *testing.T) {
	name := filepath.Join(t.TempDir(), "hub.yaml")
	writeFile(t, name, "demo: false\n")
	cfg := load(t, name)
	synctest.Test(t, func(t *testing.T) {
		events, errs := make(chan fsnotify.Event), make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		changes := make(chan time.Time, 10)
		w := &watched{Sources: cfg.Sources(), add: func(string) error { return nil }}
		done := make(chan error)
		go func() { done <- w.gather(ctx, events, errs, func() { changes <- time.Now() }) }()
		settle := func() int {
			time.Sleep(10 * gatherFor)
			synctest.Wait()
			return len(changes)
		}
		if n := settle(); n != 0 {
			t.Errorf("%d changes when nothing changed", n)
		}
		events <- fsnotify.Event{}
		if n := settle(); n != 0 {
			t.Errorf("%d changes of files that stayed the same", n)
		}
		var last time.Time
		for _, text := range []string{"demo: true\n", "", "demo: true\n"} {
			writeFile(t, name, text)
			last = time.Now()
			events <- fsnotify.Event{}
			time.Sleep(gatherFor / 2)
		}
		if n := settle(); n != 1 {
			t.Fatalf("%d changes from one burst, want 1", n)
		}
		if at := <-changes; at.Sub(last) != gatherFor {
			t.Errorf("the change came %v after the last event, want %v", at.Sub(last), gatherFor)
		}
		writeFile(t, name, "demo: false # lost event\n")
		errs <- fsnotify.ErrEventOverflow
		if n := settle(); n != 1 {
			t.Errorf("%d changes after events were lost, want 1", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestGatherSeesWhatChangedBeforeIt proves that nothing falls between Load and
// Watch.
func TestGatherSeesWhatChangedBeforeIt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "hub.yaml")
	writeFile(t, name, "demo: false\n")
	cfg := load(t, name)
	writeFile(t, name, "demo: true\n")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		changed := 0
		w := &watched{Sources: cfg.Sources(), add: func(string) error { return nil }}
		err := w.gather(ctx, nil, nil, func() { changed++; cancel() })
		if err != nil || changed != 1 {
			t.Errorf("%d changes, %v; want 1", changed, err)
		}
	})
}

// TestGatherAfterFaults: what was found faulty is not a change by itself, and
// a file that only the faulty load read is watched.
func TestGatherAfterFaults(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/hub.yaml", "include: [more/*.yaml]\n")
	writeFile(t, dir+"/more/a.yaml", "demmo: true\n")
	_, _, err := Load(t.Context(), &Options{Files: []string{dir + "/hub.yaml"}})
	faults, ok := errors.AsType[*FaultsError](err)
	if !ok {
		t.Fatalf("error %v, want faults", err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		changes := 0
		w := &watched{Sources: faults.Sources, add: func(string) error { return nil }}
		events, done := make(chan fsnotify.Event), make(chan error)
		go func() { done <- w.gather(ctx, events, nil, func() { changes++ }) }()
		for want, text := range []string{"demmo: true\n", "demo: true\n"} {
			writeFile(t, dir+"/more/a.yaml", text)
			events <- fsnotify.Event{}
			time.Sleep(10 * gatherFor)
			synctest.Wait()
			if changes != want {
				t.Errorf("%d changes after %q, want %d", changes, text, want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWatch changes real files in the ways that editors and deployments do. It
// fails by the test's own deadline when a change is not seen.
func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		setup  func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
	}{
		"written in place": {
			change: func(t *testing.T, dir string) {
				writeFile(t, dir+"/hub.yaml", "include: [plugins.d/*.yaml]\ndemo: true\n")
			},
		},
		"replaced by an editor": {
			change: func(t *testing.T, dir string) {
				writeFile(t, dir+"/hub.yaml~", "include: [plugins.d/*.yaml]\ndemo: true\n")
				rename(t, dir+"/hub.yaml~", dir+"/hub.yaml")
			},
		},
		"a new file that an include matches": {
			setup:  func(t *testing.T, dir string) { writeFile(t, dir+"/plugins.d/one.yaml", "") },
			change: func(t *testing.T, dir string) { writeFile(t, dir+"/plugins.d/two.yaml", "plugins: {}\n") },
		},
		"a file removed": {
			setup: func(t *testing.T, dir string) { writeFile(t, dir+"/plugins.d/one.yaml", "") },
			change: func(t *testing.T, dir string) {
				if err := os.Remove(dir + "/plugins.d/one.yaml"); err != nil {
					t.Fatal(err)
				}
			},
		},
		"a directory that was not there": {
			change: func(t *testing.T, dir string) { writeFile(t, dir+"/plugins.d/one.yaml", "plugins: {}\n") },
		},
		"a symbolic link swapped by Kubernetes": {
			setup: func(t *testing.T, dir string) {
				writeFile(t, dir+"/..one/hub.yaml", "demo: false\n")
				symlink(t, "..one", dir+"/..data")
				if err := os.Remove(dir + "/hub.yaml"); err != nil {
					t.Fatal(err)
				}
				symlink(t, "..data/hub.yaml", dir+"/hub.yaml")
			},
			change: func(t *testing.T, dir string) {
				writeFile(t, dir+"/..two/hub.yaml", "demo: true\n")
				symlink(t, "..two", dir+"/..data_tmp")
				rename(t, dir+"/..data_tmp", dir+"/..data")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, dir+"/hub.yaml", "include: [plugins.d/*.yaml]\n")
			if test.setup != nil {
				test.setup(t, dir)
			}
			cfg := load(t, dir+"/hub.yaml")
			ctx, cancel := context.WithCancel(t.Context())
			changed, done := make(chan struct{}, 10), make(chan error)
			go func() { done <- Watch(ctx, cfg.Sources(), func() { changed <- struct{}{} }) }()
			test.change(t, dir)
			<-changed
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func load(t *testing.T, files ...string) *Config {
	t.Helper()
	cfg, _, err := Load(t.Context(), &Options{Files: files, Env: noEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}
