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

// Sources is what a load read: files, what they held then, and the include
// patterns among them. The zero value is no file at all.
type Sources struct {
	files    []string // in the order they were read
	digest   digest   // of their names and contents
	patterns []string // relative to the working directory
}

// Sources returns what the configuration was read from.
func (c *Config) Sources() Sources {
	if c.origin == nil {
		return Sources{}
	}
	return c.origin.Sources
}

// Watch calls onChange after the files of the last load, or those that its
// include patterns match, have changed in name or content and then been left
// alone for half a second. It watches their directories, so it survives editors that
// replace a file and the symbolic link that Kubernetes swaps. Files that a
// ${file:…} reference reads are not watched.
//
// Watch returns nil when ctx ends, and an error when it cannot watch.
// onChange runs on the goroutine of Watch: changes during it are gathered and
// not lost. After a reload the caller ends this Watch and starts another with
// what was read then, with or without fault, since its includes may be others.
func Watch(ctx context.Context, from Sources, onChange func()) error {
	if len(from.files) == 0 {
		<-ctx.Done()
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	defer func() { _ = watcher.Close() }() // nothing is left to lose
	w := &watched{Sources: from, add: watcher.Add}
	if err := w.follow(); err != nil {
		return err
	}
	return w.gather(ctx, watcher.Events, watcher.Errors, onChange)
}

// watched is the set of files under watch.
type watched struct {
	Sources
	add func(dir string) error
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
			if now := fingerprint(w.texts()); now != w.digest {
				w.digest = now
				onChange()
			}
		}
	}
}

// matching lists what the configuration would be read from now.
func (w *watched) matching() []string {
	names := append([]string{}, w.files...)
	for _, pattern := range w.patterns {
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
	for _, name := range w.matching() {
		dirs[filepath.Dir(name)] = true
		if target, err := filepath.EvalSymlinks(name); err == nil {
			dirs[filepath.Dir(target)] = true
		}
	}
	for _, pattern := range w.patterns {
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
	for _, name := range w.matching() {
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
