package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxNodes bounds the tree of one file, so that aliases of aliases cannot fill
// the memory.
const maxNodes = 200_000

// parseYAML reads one file into a layer. Faults in its form go to the report;
// what can be read is returned all the same.
func parseYAML(name string, text []byte, r *report) *layer {
	// Some editors begin a file with the mark of UTF-8, which YAML allows.
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	tokens := lexer.Tokenize(string(text))
	p := &yamlReader{
		source:  newSource(name, text, tokens),
		layer:   newLayer(),
		report:  r,
		anchors: map[string]ast.Node{},
	}
	p.layer.places[""] = place{source: p.source, name: name, line: 1, column: 1}
	// Repeated keys are reported here, together with all other faults; the
	// parser would stop at the first.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p.syntax(err)
		return p.layer
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		p.fault(file.Docs[1].Body.GetToken(), "", "a second document begins here", "keep one document in a file")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return p.layer
	}
	switch tree := p.value("", file.Docs[0].Body).(type) {
	case nil:
		if _, written := file.Docs[0].Body.(*ast.NullNode); written {
			p.fault(file.Docs[0].Body.GetToken(), "", "is nothing", "write keys and values, such as data_dir: ./data, or leave the file empty")
		}
	case map[string]any:
		p.layer.tree = tree
	default:
		p.fault(file.Docs[0].Body.GetToken(), "", "is not a map", "write keys and values, such as data_dir: ./data")
	}
	return p.layer
}

type yamlReader struct {
	source  *source
	layer   *layer
	report  *report
	anchors map[string]ast.Node
	inside  []string // anchors being read, to refuse a cycle
	nodes   int
}

func (y *yamlReader) place(tk *token.Token) place {
	at := place{source: y.source, name: y.source.name, line: 1, column: 1}
	if tk != nil && tk.Position != nil {
		at.line, at.column = tk.Position.Line, tk.Position.Column
	}
	return at
}

func (y *yamlReader) fault(tk *token.Token, p path, detail, suggestion string) {
	y.report.fault(y.place(tk), p, detail, suggestion)
}

// syntax reports what the parser said. Only its message and place are taken:
// its own excerpt would show values.
func (y *yamlReader) syntax(err error) {
	y.source.invalid = true
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		y.fault(syntax.Token, "", "is not YAML: "+syntax.Message, "")
		return
	}
	y.fault(nil, "", "is not YAML", "")
}

// value turns a node into a value and notes the places of it and all below.
// Nothing (null) is nil: the key counts as not written.
func (y *yamlReader) value(p path, node ast.Node) any {
	if y.nodes++; y.nodes > maxNodes {
		if y.nodes == maxNodes+1 {
			y.fault(node.GetToken(), p, fmt.Sprintf("more than %d values in one file", maxNodes), "")
		}
		return nil
	}
	if _, known := y.layer.places[p]; !known {
		y.layer.places[p] = y.place(node.GetToken())
	}
	switch n := node.(type) {
	case *ast.MappingNode:
		return y.mapping(p, n.Values)
	case *ast.MappingValueNode:
		return y.mapping(p, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		list := make([]any, 0, len(n.Values))
		for i, element := range n.Values {
			list = append(list, y.value(p.index(i), element))
		}
		return list
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		y.anchors[name] = n.Value
		y.inside = append(y.inside, name)
		defer func() { y.inside = y.inside[:len(y.inside)-1] }()
		return y.value(p, n.Value)
	case *ast.AliasNode:
		return y.value(p, y.alias(p, n))
	case *ast.TagNode:
		y.fault(n.GetToken(), p, "has a YAML tag", "write the value without it")
		return nil
	}
	return y.scalar(p, node)
}

func (y *yamlReader) scalar(p path, node ast.Node) any {
	at := y.place(node.GetToken())
	y.layer.text = append(y.layer.text, scalar{p, at})
	if known := y.layer.places[p]; known.line == at.line {
		y.layer.places[p] = at
	}
	switch n := node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return v
		case uint64:
			if v <= 1<<63-1 {
				return int64(v)
			}
			return float64(v)
		}
	}
	y.fault(node.GetToken(), p, "is not a value that a configuration can hold", "")
	return nil
}

func (y *yamlReader) mapping(p path, values []*ast.MappingValueNode) any {
	tree := map[string]any{}
	for _, v := range values {
		key, ok := y.key(p, v)
		if !ok {
			continue
		}
		at := y.place(v.Key.GetToken())
		child := p.child(key)
		if before, repeated := y.layer.keys[child]; repeated {
			y.report.fault(at, child, fmt.Sprintf("is written twice; the first is at %s", before), "keep one of them")
			continue
		}
		y.layer.keys[child], y.layer.places[child] = at, at
		if value := y.value(child, v.Value); value != nil {
			tree[key] = value
		}
	}
	return tree
}

func (y *yamlReader) key(p path, v *ast.MappingValueNode) (string, bool) {
	tk := v.Key.GetToken()
	switch v.Key.(type) {
	case *ast.MergeKeyNode:
		y.fault(tk, p, "<< is not supported", "write the keys out")
		return "", false
	case *ast.MappingKeyNode:
		y.fault(tk, p, "a key with ? is not supported", "write key: value")
		return "", false
	}
	if strings.ContainsAny(tk.Value, delimiter+indexMark) {
		y.fault(tk, p, "a key holds a control character", "")
		return "", false
	}
	return tk.Value, true
}

func (y *yamlReader) alias(p path, n *ast.AliasNode) ast.Node {
	name := n.Value.GetToken().Value
	target, ok := y.anchors[name]
	for _, open := range y.inside {
		if open == name {
			y.fault(n.GetToken(), p, "the alias stands inside its own anchor", "")
			return ast.Null(n.GetToken())
		}
	}
	if !ok {
		y.fault(n.GetToken(), p, "there is no anchor of this name above", "")
		return ast.Null(n.GetToken())
	}
	return target
}
