package spec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/channelhub/channelhub/hub/api/spec/yaml"
	"github.com/channelhub/channelhub/hub/api/web"
)

const (
	jsonMedia    = "application/json"
	problemMedia = "application/problem+json"
)

// document is an API with its types described.
type document struct {
	api     API
	schemas *schemas
	paths   object
}

func newDocument(api API) *document {
	d := &document{api: api, schemas: newSchemas()}
	for _, op := range api.Operations {
		i := slices.IndexFunc(d.paths, func(m member) bool { return m.name == op.Path })
		if i < 0 {
			i = len(d.paths)
			d.paths.add(op.Path, object{})
		}
		at, _ := d.paths[i].value.(object)
		at.add(strings.ToLower(op.Method), d.operation(op))
		d.paths[i].value = at
	}
	for _, v := range api.Types {
		d.schemas.of(reflect.TypeOf(v))
	}
	d.schemas.of(reflect.TypeFor[web.Problem]())
	return d
}

// openAPI is the whole document.
func (d *document) openAPI() object {
	var components object
	var described object
	for _, c := range d.schemas.sorted() {
		described.add(c.Name, c.schema)
	}
	components.add("schemas", described)
	components.add("responses", object{{"Problem", object{
		{"description", "The call was refused."},
		{"content", object{{problemMedia, object{{"schema", object{{"$ref", refPrefix + "Problem"}}}}}}},
	}}})
	components.add("securitySchemes", object{{"token", object{
		{"type", "http"}, {"scheme", "bearer"}, {"description", "A token of the hub, made with `hub token create` or configured."},
	}}})
	var tags []object
	for _, tag := range d.tags() {
		tags = append(tags, object{{"name", tag}})
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", d.api.Title},
			{"version", d.api.Version},
			{"description", d.api.Description},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"servers", []object{{{"url", "/"}, {"description", "The hub that served this document."}}}},
		{"security", []object{{{"token", []string{}}}}},
		{"tags", tags},
		{"paths", d.paths},
		{"components", components},
	}
}

// tags lists the headings in the order of the operations.
func (d *document) tags() []string {
	var out []string
	for _, op := range d.api.Operations {
		if !slices.Contains(out, op.Tag) {
			out = append(out, op.Tag)
		}
	}
	return out
}

// json and yaml are the two spellings of the document.
func (d *document) json() ([]byte, error) {
	b, err := json.MarshalIndent(d.openAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", d.api.Title, err)
	}
	return append(b, '\n'), nil
}

func (d *document) yaml() ([]byte, error) {
	b, err := d.json()
	if err != nil {
		return nil, err
	}
	return yaml.FromJSON(b)
}

func (d *document) operation(op Operation) object {
	o := object{{"operationId", op.ID}, {"tags", []string{op.Tag}}, {"summary", op.Summary}}
	description := op.Description
	if len(op.Roles) > 0 {
		description = strings.TrimSpace(description + "\n\nRole: " + strings.Join(op.Roles, " or ") + ".")
	}
	o.addText("description", description)
	if op.Open {
		o.add("security", []object{})
	}
	if len(op.Params) > 0 {
		params := make([]object, len(op.Params))
		for i, p := range op.Params {
			params[i] = d.param(p)
		}
		o.add("parameters", params)
	}
	if op.Body != nil {
		o.add("requestBody", object{
			{"required", !op.Body.Optional},
			{"content", d.bodyOf(op.Body)},
		})
	}
	o.add("responses", d.answers(op.Answers))
	return o
}

// bodyOf describes a body: JSON, or bytes.
func (d *document) bodyOf(b *Body) object {
	if b.Media != "" {
		return object{{b.Media, object{{"schema", object{}}}}}
	}
	return object{{jsonMedia, object{{"schema", d.schemas.of(reflect.TypeOf(b.Type))}}}}
}

func (d *document) param(p Param) object {
	o := object{{"name", p.Name}, {"in", string(p.In)}}
	o.addText("description", p.Description)
	if p.Required || p.In == Path {
		o.add("required", true)
	}
	t := reflect.TypeFor[string]()
	if p.Type != nil {
		t = reflect.TypeOf(p.Type)
	}
	o.add("schema", d.schemas.of(t))
	return o
}

// answers describes each status once: two bodies of one status are two media
// of it.
func (d *document) answers(answers []Answer) object {
	var o object
	for _, a := range answers {
		status := strconv.Itoa(a.Status)
		content := d.content(a)
		if i := slices.IndexFunc(o, func(m member) bool { return m.name == status }); i >= 0 {
			before, _ := o[i].value.(object)
			j := slices.IndexFunc(before, func(m member) bool { return m.name == "content" })
			media, _ := before[j].value.(object)
			before[j].value = append(media, content...)
			continue
		}
		answer := object{{"description", a.Description}}
		if len(a.Headers) > 0 {
			var headers object
			for _, h := range a.Headers {
				headers.add(h.Name, object{{"description", h.Description}, {"schema", object{{"type", "string"}}}})
			}
			answer.add("headers", headers)
		}
		if len(content) > 0 {
			answer.add("content", content)
		}
		o.add(status, answer)
	}
	o.add("default", object{{"$ref", "#/components/responses/Problem"}})
	return o
}

func (d *document) content(a Answer) object {
	if a.Status >= http.StatusBadRequest {
		return object{{problemMedia, object{{"schema", object{{"$ref", refPrefix + "Problem"}}}}}}
	}
	media := a.Media
	if media == "" {
		media = jsonMedia
	}
	switch {
	case a.Type != nil:
		return object{{media, object{{"schema", d.schemas.of(reflect.TypeOf(a.Type))}}}}
	case a.Media != "":
		return object{{media, object{{"schema", object{{"type", "string"}}}}}}
	}
	return nil
}
