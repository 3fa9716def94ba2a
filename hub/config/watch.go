package config

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// gatherFor is how long file changes are gathered before they are acted on: an
// editor or a deployment writes several files, and each in several steps.
const gatherFor = 500 * time.Millisecond

// Watch calls onChange after the files of cfg, or those that its include
// patterns match, have changed in name or content and then been left alone for
// half a second. It watches their directories, so it survives editors that
// replace a file and the symbolic link that Kubernetes swaps. Files that a
// ${file:…} reference reads are not watched.
//
// Watch returns nil when ctx ends, and an error when it cannot watch.
// onChange runs on the goroutine of Watch: changes during it are gathered and
// not lost. After a successful reload the caller ends this Watch and starts
// another with the new Config, since its includes may be others.
func Watch(ctx context.Context, cfg *Config, onChange func()) error {
	if cfg.origin == nil || len(cfg.origin.files) == 0 {
		<-ctx.Done()
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	defer func() { _ = watcher.Close() }() // nothing is left to lose
	w := &watched{origin: cfg.origin, last: cfg.origin.digest, add: watcher.Add}
	if err := w.follow(); err != nil {
		return err
	}
	return w.gather(ctx, watcher.Events, watcher.Errors, onChange)
}

// watched is the set of files under watch.
type watched struct {
	origin *origin
	add    func(dir string) error
	last   digest
}

// gather waits for a quiet half second after each burst of events, and once at
// the start: something may have changed between Load and now.
func (w *watched) gather(ctx context.Context, events <-chan fsnotify.Event, errs <-chan error, onChange func()) error {
	quiet := time.NewTimer(gatherFor)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-events:
			if !ok {
				return nil
			}
			quiet.Reset(gatherFor)
		case _, ok := <-errs:
			if !ok {
				return nil
			}
			// An overflow means that events were lost: look at everything.
			quiet.Reset(gatherFor)
		case <-quiet.C:
			if err := w.follow(); err != nil {
				return err
			}
			if now := fingerprint(w.texts()); now != w.last {
				w.last = now
				onChange()
			}
		}
	}
}

// files lists what the configuration would be read from now.
func (w *watched) files() []string {
	names := append([]string{}, w.origin.files...)
	for _, pattern := range w.origin.patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			continue // Load has reported the pattern
		}
		names = append(names, matches...)
	}
	return names
}

// follow watches every directory that matters now. Watching one again does
// nothing; a directory that is not there yet is seen to come by its parent.
func (w *watched) follow() error {
	dirs := map[string]bool{}
	for _, name := range w.files() {
		dirs[filepath.Dir(name)] = true
		if target, err := filepath.EvalSymlinks(name); err == nil {
			dirs[filepath.Dir(target)] = true
		}
	}
	for _, pattern := range w.origin.patterns {
		dirs[fixedDir(pattern)] = true
	}
	for dir := range dirs {
		for {
			if err := w.add(dir); err == nil {
				break
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				return fmt.Errorf("watch configuration: cannot watch any directory above %s", dir)
			}
			dir = parent
		}
	}
	return nil
}

// fixedDir is the deepest directory of a pattern that holds no wildcard.
func fixedDir(pattern string) string {
	dir := filepath.Dir(pattern)
	for strings.ContainsAny(dir, "*?[") {
		dir = filepath.Dir(dir)
	}
	return dir
}

// texts reads all files that can be read, by absolute name.
func (w *watched) texts() map[string][]byte {
	texts := map[string][]byte{}
	for _, name := range w.files() {
		if text, err := os.ReadFile(name); err == nil {
			texts[absolute(name)] = text
		}
	}
	return texts
}

// digest stands for the names and contents of a set of files.
type digest [sha256.Size]byte

func fingerprint(texts map[string][]byte) digest {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		// The lengths keep two different sequences from looking alike. A hash
		// never fails to take what is written.
		_, _ = fmt.Fprintf(sum, "%d:%s%d:", len(name), name, len(texts[name]))
		_, _ = sum.Write(texts[name])
	}
	return digest(sum.Sum(nil))
}
