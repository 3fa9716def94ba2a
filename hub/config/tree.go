package config

import (
	"maps"
	"slices"
)

// walk visits every node of a tree below p, parents first, keys in order.
func walk(p path, value any, visit func(path, any)) {
	visit(p, value)
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(p.child(key), v[key], visit)
		}
	case []any:
		for i, element := range v {
			walk(p.index(i), element, visit)
		}
	}
}

// rewrite returns a copy of a tree in which every scalar is what change makes
// of it; a scalar for which change reports false is left out.
func rewrite(p path, value any, change func(path, any) (any, bool)) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if changed, ok := rewrite(p.child(key), v[key], change); ok {
				out[key] = changed
			}
		}
		return out, true
	case []any:
		out := make([]any, 0, len(v))
		for i, element := range v {
			if changed, ok := rewrite(p.index(i), element, change); ok {
				out = append(out, changed)
			}
		}
		return out, true
	}
	return change(p, value)
}

// lookup returns the value at p.
func lookup(tree any, p path) (any, bool) {
	for _, segment := range p.segments() {
		switch node := tree.(type) {
		case map[string]any:
			value, ok := node[segment]
			if !ok {
				return nil, false
			}
			tree = value
		case []any:
			i, ok := index(segment)
			if !ok || i >= len(node) {
				return nil, false
			}
			tree = node[i]
		default:
			return nil, false
		}
	}
	return tree, true
}

// remove takes the value at p out of a tree; for an element of a list it takes
// the whole list, since the others would change their places.
func remove(tree map[string]any, p path) {
	segments := p.segments()
	for i, segment := range segments {
		next := segments[min(i+1, len(segments)-1)]
		_, list := index(next)
		if i == len(segments)-1 || list {
			delete(tree, segment)
			return
		}
		child, ok := tree[segment].(map[string]any)
		if !ok {
			return
		}
		tree = child
	}
}

// put sets the value at p, making maps on the way, and merges a map into one
// that is there. It reports false when something other than a map is in the
// way.
func put(tree map[string]any, p path, value any) bool {
	segments := p.segments()
	for _, segment := range segments[:len(segments)-1] {
		child, ok := tree[segment].(map[string]any)
		if !ok {
			if _, taken := tree[segment]; taken {
				return false
			}
			child = map[string]any{}
			tree[segment] = child
		}
		tree = child
	}
	last := segments[len(segments)-1]
	if fresh, ok := value.(map[string]any); ok {
		if old, ok := tree[last].(map[string]any); ok {
			maps.Copy(old, fresh)
			return true
		}
	}
	tree[last] = value
	return true
}
