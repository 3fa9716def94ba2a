package config

import (
	"strconv"
	"strings"
)

// delimiter separates the levels of a path. It is a control character, since
// any other may stand in a key; a file whose keys hold one is refused.
const delimiter = "\x1f"

// indexMark begins the segment of a place in a list.
const indexMark = "\x1e"

// path is a place in the configuration tree: its segments, joined by the
// delimiter. The root is empty.
type path string

func pathOf(segments ...string) path { return path(strings.Join(segments, delimiter)) }

// child is the path of a key in the map at p.
func (p path) child(keys ...string) path {
	for _, key := range keys {
		if p == "" {
			p = path(key)
			continue
		}
		p += path(delimiter + key)
	}
	return p
}

// index is the path of an element of the list at p.
func (p path) index(i int) path { return p.child(indexMark + strconv.Itoa(i)) }

func (p path) parent() path {
	i := strings.LastIndex(string(p), delimiter)
	if i < 0 {
		return ""
	}
	return p[:i]
}

func (p path) last() string {
	return string(p[strings.LastIndex(string(p), delimiter)+1:])
}

func (p path) segments() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), delimiter)
}

// contains reports whether q is p or lies below it.
func (p path) contains(q path) bool {
	return p == "" || p == q || strings.HasPrefix(string(q), string(p)+delimiter)
}

// matches reports whether p has the segments of the pattern, where * stands
// for any one segment.
func (p path) matches(pattern ...string) bool {
	segments := p.segments()
	if len(segments) != len(pattern) {
		return false
	}
	for i, want := range pattern {
		if want != "*" && want != segments[i] {
			return false
		}
	}
	return true
}

// String writes the path for people: clients.acme.accounts.acme-wa.secrets[0].
func (p path) String() string {
	var b strings.Builder
	for _, segment := range p.segments() {
		if n, ok := strings.CutPrefix(segment, indexMark); ok {
			b.WriteString("[" + n + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if strings.ContainsAny(segment, ".[] ") {
			segment = strconv.Quote(segment)
		}
		b.WriteString(segment)
	}
	return b.String()
}

// index returns the place in a list that a segment names.
func index(segment string) (int, bool) {
	n, ok := strings.CutPrefix(segment, indexMark)
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(n)
	return i, err == nil
}
