package spec

import (
	"bytes"
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/api/web"
)

//go:embed docs.html
var pageText string

var pageTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{
	"paragraphs": paragraphs,
	"prose":      prose,
	"lower":      strings.ToLower,
}).Parse(pageText))

// page writes the reference page.
func (d *document) page() ([]byte, error) {
	data := pageData{Title: d.api.Title, Version: d.api.Version, Base: d.api.Base, Description: d.api.Description}
	for _, tag := range d.tags() {
		data.Groups = append(data.Groups, d.group(tag))
	}
	for _, c := range d.schemas.sorted() {
		data.Types = append(data.Types, typeData{
			Name: c.Name, Description: c.schema.text("description"), Fields: fieldRows(c.schema),
		})
	}
	for _, p := range web.Problems() {
		data.Problems = append(data.Problems, problemData{p.Type, p.Status, p.Title})
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("write the reference of %s: %w", d.api.Title, err)
	}
	return b.Bytes(), nil
}

type pageData struct {
	Title, Version, Base, Description string
	Groups                            []groupData
	Types                             []typeData
	Problems                          []problemData
}

type groupData struct {
	Name       string
	Operations []operationData
}

type operationData struct {
	Operation
	Params  []fieldData
	Body    *bodyData
	Answers []answerData
}

type answerData struct {
	Status      int
	Description string
	Media       string
	Body        *bodyData
	Headers     []HeaderDoc
}

// bodyData is a body as the page shows it: the name of a type with a link, or
// its fields.
type bodyData struct {
	Kind   kind
	Fields []fieldData
}

type typeData struct {
	Name, Description string
	Fields            []fieldData
}

type fieldData struct {
	Name, Where, Description string
	Kind                     kind
	Required                 bool
}

type problemData struct {
	Type   string
	Status int
	Title  string
}

// kind is a type in words, with the component it leads to.
type kind struct {
	Before, Link string
	Values       []string
}

func (d *document) group(tag string) groupData {
	g := groupData{Name: tag}
	for _, op := range d.api.Operations {
		if op.Tag != tag {
			continue
		}
		out := operationData{Operation: op}
		for _, p := range op.Params {
			schema := object{{"type", "string"}}
			if p.Type != nil {
				schema = d.schemas.of(reflect.TypeOf(p.Type))
			}
			out.Params = append(out.Params, fieldData{
				Name: p.Name, Where: string(p.In), Description: p.Description,
				Kind: kindOf(schema), Required: p.Required || p.In == Path,
			})
		}
		if op.Body != nil && op.Body.Type != nil {
			out.Body = d.body(op.Body.Type)
		}
		for _, a := range op.Answers {
			answer := answerData{Status: a.Status, Description: a.Description, Headers: a.Headers, Media: a.Media}
			if a.Type != nil {
				answer.Body = d.body(a.Type)
			}
			out.Answers = append(out.Answers, answer)
		}
		g.Operations = append(g.Operations, out)
	}
	return g
}

func (d *document) body(v any) *bodyData {
	schema := d.schemas.of(reflect.TypeOf(v))
	return &bodyData{Kind: kindOf(schema), Fields: fieldRows(schema)}
}

// fieldRows lists the properties of an object's schema.
func fieldRows(schema object) []fieldData {
	properties, _ := schema.get("properties").(object)
	required, _ := schema.get("required").([]string)
	out := make([]fieldData, 0, len(properties))
	for _, p := range properties {
		field, _ := p.value.(object)
		out = append(out, fieldData{
			Name: p.name, Description: field.text("description"),
			Kind: kindOf(field), Required: slices.Contains(required, p.name),
		})
	}
	return out
}

func kindOf(schema object) kind {
	if ref, ok := strings.CutPrefix(schema.text("$ref"), refPrefix); ok {
		return kind{Link: ref}
	}
	switch schema.text("type") {
	case "array":
		items, _ := schema.get("items").(object)
		k := kindOf(items)
		k.Before = strings.TrimSpace("list of " + k.Before)
		return k
	case "object":
		if values, ok := schema.get("additionalProperties").(object); ok {
			k := kindOf(values)
			k.Before = strings.TrimSpace("object of " + k.Before)
			return k
		}
		return kind{Before: "object"}
	case "":
		return kind{Before: "any JSON"}
	}
	k := kind{Before: schema.text("type")}
	if schema.text("format") == "date-time" {
		k.Before = "time"
	}
	k.Values, _ = schema.get("enum").([]string)
	return k
}

// paragraphs parts a text at its empty lines.
func paragraphs(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n\n")
}

// span is a run of prose, or of code between back quotes.
type span struct {
	Text string
	Code bool
}

// prose parts a text at its back quotes.
func prose(text string) []span {
	var out []span
	for i, part := range strings.Split(text, "`") {
		if part != "" {
			out = append(out, span{part, i%2 == 1})
		}
	}
	return out
}
