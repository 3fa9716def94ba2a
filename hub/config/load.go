package config

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	koanfmaps "github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/v2"
)

// Options say where a configuration comes from.
type Options struct {
	// Files are read in order; a later one overrides an earlier one.
	Files []string
	// Env returns the environment as os.Environ does; nil means os.Environ.
	Env func() []string
	// Flags override everything else.
	Flags []Flag
	// Resolver resolves references; nil means a LocalResolver over Env.
	Resolver Resolver
	// Remote makes the resolver of references that AWS resolves, once for each
	// load that has any; nil refuses them.
	Remote RemoteResolver
}

// origin remembers how a Config was loaded.
type origin struct {
	Sources
	places map[path]place  // where each value was written
	keys   map[path]place  // where the key of it was written, in files
	raw    map[path]string // text of the values that hold references
}

// clone returns an origin whose places and raw texts can be changed.
func (o *origin) clone() *origin {
	if o == nil {
		return nil
	}
	c := *o
	c.places, c.raw = maps.Clone(o.places), maps.Clone(o.raw)
	return &c
}

// take makes what is known of a place, and of all below it, what another origin
// knows; nil knows nothing.
func (o *origin) take(at path, from *origin) {
	maps.DeleteFunc(o.places, func(p path, _ place) bool { return at.contains(p) })
	maps.DeleteFunc(o.raw, func(p path, _ string) bool { return at.contains(p) })
	if from == nil {
		return
	}
	for p, written := range from.places {
		if at.contains(p) {
			o.places[p] = written
		}
	}
	for p, text := range from.raw {
		if at.contains(p) {
			o.raw[p] = text
		}
	}
}

// Load reads, merges and checks a configuration. Either the configuration is
// without fault, or it is nil and the error is a *FaultsError that names
// everything found; warnings are returned in both cases. Load keeps no state:
// two loads of the same sources are equal.
func Load(ctx context.Context, opts *Options) (*Config, []Warning, error) {
	if opts == nil {
		opts = &Options{}
	}
	rules, err := ownRules()
	if err != nil {
		return nil, nil, err
	}
	env := os.Environ
	if opts.Env != nil {
		env = opts.Env
	}
	resolver := opts.Resolver
	if resolver == nil {
		resolver = &LocalResolver{LookupEnv: lookupIn(env())}
	}
	r := newReport()

	files := readFiles(opts.Files, rules, r)
	files.refuseRepeatedIDs()
	layers := files.layers
	for _, l := range []*layer{environmentLayer(env(), rules, r), flagLayer(opts.Flags, rules, r)} {
		l.validate(rules, r)
		layers = append(layers, l)
	}

	o := &origin{
		Sources: Sources{files: files.names, digest: fingerprint(files.texts), patterns: files.patterns},
		places:  map[path]place{}, keys: map[path]place{}, raw: map[path]string{},
	}
	tree, err := o.merge(layers)
	if err != nil {
		return nil, nil, err
	}
	if files.include != nil {
		tree["include"] = files.include
	}
	if opts.Remote != nil {
		local := resolver
		resolver = &withRemote{Resolver: local, make: opts.Remote, settings: func() (AWS, error) { return awsOf(ctx, tree, local) }}
	}
	tree = o.resolve(ctx, tree, resolver, rules, r)
	refuse(tree, o.places, r)
	cfg, err := decode(tree)
	if err != nil {
		return nil, nil, err
	}
	cfg.origin = o
	if !files.broken { // else what is missing may stand in the file that could not be read
		c := &checker{cfg: cfg, report: r, places: o.places}
		c.check()
	}
	if faults := r.sortedFaults(); len(faults) > 0 {
		return nil, r.sortedWarnings(), &FaultsError{Faults: faults, Sources: o.Sources}
	}
	return cfg, r.sortedWarnings(), nil
}

func lookupIn(env []string) func(string) (string, bool) {
	values := make(map[string]string, len(env))
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

// validate holds a layer against the schema and takes what is faulty out of
// it. A value that holds a reference is judged once it is resolved.
func (l *layer) validate(rules *rules, r *report) {
	l.showHarmless(rules)
	var faulty []path
	for _, f := range rules.check(l.tree) {
		if text, ok := lookup(l.tree, f.path); ok && !f.key {
			if s, ok := text.(string); ok && hasReference(s) {
				continue
			}
		}
		at := l.at(f.path)
		if f.key {
			at = l.key(f.path)
		}
		r.fault(at, f.path, f.detail, f.suggestion)
		if f.meant != "" {
			r.faulty[f.path.parent().child(f.meant)] = true
		}
		faulty = append(faulty, f.path)
	}
	for _, p := range faulty {
		remove(l.tree, p)
	}
}

// showHarmless lets excerpts print the values that are known not to be secret.
// A value that an alias puts in a second place must be harmless in both.
func (l *layer) showHarmless(rules *rules) {
	hidden := map[place]bool{}
	for _, s := range l.text {
		if !rules.printable(s.path) {
			hidden[s.at] = true
		}
	}
	for _, s := range l.text {
		if !hidden[s.at] {
			s.at.source.show(s.at.line, s.at.column)
		}
	}
}

// treeProvider hands a tree that is parsed already to koanf.
type treeProvider map[string]any

// ReadBytes is not supported: there are no bytes.
func (treeProvider) ReadBytes() ([]byte, error) {
	return nil, fmt.Errorf("a parsed tree has no bytes")
}

// Read returns the tree.
func (t treeProvider) Read() (map[string]any, error) { return t, nil }

// merge lays the layers over the defaults and notes where each value is from.
func (o *origin) merge(layers []*layer) (map[string]any, error) {
	defaults, err := defaultTree(layers)
	if err != nil {
		return nil, err
	}
	// koanf looks at everything it holds on each load, which a thousand files
	// would make slow: they are merged by its rules first and loaded once.
	written := map[string]any{}
	for _, l := range layers {
		koanfmaps.Merge(koanfmaps.Copy(l.tree), written)
	}
	k := koanf.New(delimiter)
	for _, tree := range []map[string]any{defaults, written} {
		if err := k.Load(treeProvider(tree), nil); err != nil {
			return nil, fmt.Errorf("merge configuration: %w", err)
		}
	}
	for _, l := range layers {
		o.forgetLists(l)
		maps.Copy(o.keys, l.keys)
		for p, at := range l.places {
			if _, there := lookup(l.tree, p); there || p == "" {
				o.places[p] = at
			}
		}
	}
	return k.Raw(), nil
}

// forgetLists drops the places inside lists that a layer replaces.
func (o *origin) forgetLists(l *layer) {
	var replaced []path
	walk("", l.tree, func(p path, value any) {
		if _, ok := value.([]any); ok {
			if _, before := o.places[p]; before {
				replaced = append(replaced, p)
			}
		}
	})
	if len(replaced) == 0 {
		return
	}
	maps.DeleteFunc(o.places, func(p path, _ place) bool {
		return slices.ContainsFunc(replaced, func(list path) bool { return list.contains(p) })
	})
}

// defaultTree is the lowest layer: the defaults, and those of each entry that
// any layer names.
func defaultTree(layers []*layer) (map[string]any, error) {
	tree, err := treeOf(Defaults())
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		var failed error
		walk("", l.tree, func(p path, value any) {
			var entry any
			switch {
			case p.matches("plugins", "*"):
				entry = defaultPlugin()
			case p.matches("clients", "*"):
				entry = defaultClient()
			case p.matches("clients", "*", "accounts", "*"):
				entry = defaultAccount()
			default:
				return
			}
			if _, there := lookup(tree, p); there {
				return
			}
			fresh, err := treeOf(entry)
			if err != nil {
				failed = err
				return
			}
			put(tree, p, fresh)
		})
		if failed != nil {
			return nil, failed
		}
	}
	return tree, nil
}

// treeOf turns a struct into a tree by its JSON names.
func treeOf(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode defaults: %w", err)
	}
	value, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("decode defaults: %w", err)
	}
	tree, _ := value.(map[string]any)
	return tree, nil
}

// resolve replaces the references of the merged tree and judges what they
// stand for. Only the values that are in force are resolved.
func (o *origin) resolve(ctx context.Context, tree map[string]any, resolver Resolver, rules *rules, r *report) map[string]any {
	changed, _ := rewrite("", tree, func(p path, value any) (any, bool) {
		text, ok := value.(string)
		if !ok || p.segments()[0] == "include" {
			return value, true
		}
		secret := rules.secret(p)
		if secret && text != "" && references(text) == "" {
			r.warn(nearest(o.places, p), p, "is a secret written out", "write a reference instead, such as ${env:NAME} or ${file:PATH}")
		}
		if !hasReference(text) {
			return value, true
		}
		o.raw[p] = text
		resolved, err := expand(ctx, text, resolver)
		if err != nil {
			r.fault(nearest(o.places, p), p, err.Error(), "")
			return nil, false
		}
		if secret && resolved == "" {
			r.fault(nearest(o.places, p), p, references(text)+" is empty", "")
			return nil, false
		}
		return resolved, true
	})
	resolved, _ := changed.(map[string]any)
	for _, f := range rules.check(resolved) {
		if text, ok := o.raw[f.path]; ok {
			r.fault(nearest(o.places, f.path), f.path, fmt.Sprintf("the value of %s %s", references(text), f.detail), f.suggestion)
			remove(resolved, f.path)
		}
	}
	return resolved
}

// decode turns a checked tree into a Config.
func decode(tree map[string]any) (*Config, error) {
	k := koanf.New(delimiter)
	if err := k.Load(treeProvider(tree), nil); err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	cfg := &Config{}
	if err := k.UnmarshalWithConf("", cfg, koanf.UnmarshalConf{Tag: "json"}); err != nil {
		// The decoder quotes values, so its words go nowhere. The schema has
		// passed this tree: a failure is a gap between schema and types.
		return nil, fmt.Errorf("decode configuration: the schema lets through what the types cannot hold")
	}
	return cfg, nil
}

// Where says where the value at a path was written: "file:line", the name of
// an environment variable or flag, or "default".
func (c *Config) Where(segments ...string) string {
	return c.origin.where(pathOf(segments...)).String()
}

// where returns the place of a value; the zero place for a default.
func (o *origin) where(p path) place {
	if o == nil {
		return place{}
	}
	return o.places[p]
}

// Files lists every file the configuration was read from, in order. The caller
// owns the list.
func (c *Config) Files() []string {
	if c.origin == nil {
		return nil
	}
	return slices.Clone(c.origin.files)
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
