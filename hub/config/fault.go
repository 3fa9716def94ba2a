package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with the configuration, or one thing to warn of.
// No field ever holds the value of a secret.
type Fault struct {
	// File is the file as the operator named it, or the environment variable
	// or flag the value came from.
	File string
	// Line and Column count from 1; both are 0 outside files.
	Line, Column int
	// Path is the place in the configuration, such as "plugins.echo.path".
	Path string
	// Detail says what is wrong.
	Detail string
	// Suggestion says how to mend it; it may be empty.
	Suggestion string
	// Excerpt is the line of the file with a caret below, without a newline at
	// its end. Values that may be secret are left out of it. It may be empty.
	Excerpt string
}

// String writes file:line:column: path: what is wrong; how to mend it.
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Detail)
	if f.Suggestion != "" {
		b.WriteString("; " + f.Suggestion)
	}
	return b.String()
}

// Warning is something that works and had better be otherwise.
type Warning Fault

// String writes the warning as a Fault is written.
func (w Warning) String() string { return Fault(w).String() }

// FaultsError is everything that is wrong with a configuration: never empty,
// in the order of files and lines.
type FaultsError struct {
	Faults []Fault
	// Sources is what was read.
	Sources Sources
}

// Error writes every fault with its excerpt, one after the other.
func (e *FaultsError) Error() string {
	var b strings.Builder
	for i, f := range e.Faults {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.String())
		if f.Excerpt != "" {
			b.WriteString("\n" + f.Excerpt)
		}
	}
	return b.String()
}

// report gathers the faults and warnings of one load.
type report struct {
	faults   []Fault
	warnings []Warning
	faulty   map[path]bool
	rank     map[string]int // order of files, by name
}

func newReport() *report {
	return &report{faulty: map[path]bool{}, rank: map[string]int{}}
}

// fault records a fault at a place. The path is remembered, so that a later
// step does not report a consequence of it.
func (r *report) fault(at place, p path, detail, suggestion string) {
	r.faulty[p] = true
	r.faults = append(r.faults, at.fault(p, detail, suggestion))
}

func (r *report) warn(at place, p path, detail, suggestion string) {
	r.warnings = append(r.warnings, Warning(at.fault(p, detail, suggestion)))
}

// touches reports whether a fault is known at p, above it or below it.
func (r *report) touches(p path) bool {
	for q := range r.faulty {
		if p.contains(q) || q != "" && q.contains(p) {
			return true
		}
	}
	return false
}

func (r *report) sortedFaults() []Fault {
	slices.SortStableFunc(r.faults, r.compare)
	return slices.Compact(r.faults)
}

func (r *report) sortedWarnings() []Warning {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return r.compare(Fault(a), Fault(b)) })
	return r.warnings
}

func (r *report) compare(a, b Fault) int {
	return cmp.Or(
		cmp.Compare(r.rankOf(a.File), r.rankOf(b.File)),
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Detail, b.Detail),
	)
}

// rankOf puts files in the order they were read, then everything else.
func (r *report) rankOf(file string) int {
	if n, ok := r.rank[file]; ok {
		return n
	}
	return len(r.rank)
}
