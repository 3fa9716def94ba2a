package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fileSet reads files and what they include, each one once.
type fileSet struct {
	rules    *rules
	report   *report
	layers   []*layer
	names    []string          // as shown, in the order they were read
	patterns []string          // include globs, relative to the working directory
	include  []any             // include globs as written
	texts    map[string][]byte // what was read, by absolute name
	broken   bool              // a file could not be read or parsed
}

func readFiles(files []string, rules *rules, r *report) *fileSet {
	s := &fileSet{rules: rules, report: r, texts: map[string][]byte{}}
	for _, name := range files {
		s.read(filepath.Clean(name), place{})
	}
	return s
}

// read adds a file and, after it, what it includes. A file that was read
// before is passed over, so that includes cannot go in circles.
func (s *fileSet) read(name string, from place) {
	key := absolute(name)
	if _, seen := s.texts[key]; seen {
		return
	}
	s.texts[key] = nil
	s.report.rank[name] = len(s.report.rank)
	s.names = append(s.names, name)
	text, err := os.ReadFile(name)
	if err != nil {
		s.broken = true
		if from.name != "" {
			s.report.fault(from, pathOf("include"), fmt.Sprintf("cannot read %s: %s", name, reason(err)), "")
			return
		}
		s.report.fault(place{name: name}, "", "cannot be read: "+reason(err), "")
		return
	}
	s.texts[key] = text
	l := parseYAML(name, text, s.report)
	s.broken = s.broken || l.places[""].source.invalid
	l.validate(s.rules, s.report)
	l.keepEmptyEntries()
	s.layers = append(s.layers, l)
	list, _ := l.tree["include"].([]any)
	s.include = append(s.include, list...)
	for i, element := range list {
		if pattern, ok := element.(string); ok {
			s.includeGlob(name, pattern, l.at(pathOf("include").index(i)))
		}
	}
}

// absolute tells files apart that are named in different ways.
func absolute(name string) string {
	if full, err := filepath.Abs(name); err == nil {
		return full
	}
	return name
}

func (s *fileSet) includeGlob(from, pattern string, at place) {
	p := pathOf("include")
	if strings.Contains(pattern, "${") {
		s.report.fault(at, p, "takes no references", "write the pattern out")
		return
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(from), pattern)
	}
	s.patterns = append(s.patterns, pattern)
	names, err := filepath.Glob(pattern) // sorted within a directory
	if err != nil {
		s.report.fault(at, p, "is not a valid pattern", "wildcards are *, ? and [a-z]")
		return
	}
	if len(names) == 0 && !strings.ContainsAny(pattern, "*?[") {
		names = []string{pattern} // reading it says why not
	}
	for _, name := range names {
		s.read(name, at)
	}
}

// reason takes from a file error what went wrong; the name is said already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// idPatterns are the places of the entries that an id names.
var idPatterns = [][]string{
	{"plugins", "*"},
	{"clients", "*"},
	{"clients", "*", "accounts", "*"},
	{"access", "bootstrap_tokens", "*"},
}

func isEntry(p path) bool {
	for _, pattern := range idPatterns {
		if p.matches(pattern...) {
			return true
		}
	}
	return false
}

// keepEmptyEntries makes an entry of which only the id is written an entry all
// the same, so that what it lacks is reported and nothing vanishes silently.
func (l *layer) keepEmptyEntries() {
	for p := range l.keys {
		if _, ok := lookup(l.tree, p); !ok && isEntry(p) {
			put(l.tree, p, map[string]any{})
		}
	}
}

// refuseRepeatedIDs finds ids that stand in more than one file, and takes all
// but the first out.
func (s *fileSet) refuseRepeatedIDs() {
	first := map[path]place{}
	for _, l := range s.layers {
		var repeated []path
		walk("", l.tree, func(p path, _ any) {
			if !isEntry(p) {
				return
			}
			at := l.key(p)
			before, taken := first[p]
			if !taken {
				first[p] = at
				return
			}
			for _, outer := range repeated {
				if outer.contains(p) {
					return // said already by the entry around it
				}
			}
			repeated = append(repeated, p)
			s.report.fault(at, p, fmt.Sprintf("the same id is in two files: here and at %s", before), "keep it in one of them")
		})
		for _, p := range repeated {
			remove(l.tree, p)
		}
	}
}
