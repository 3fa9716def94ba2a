package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// conforms makes a call to the running hub and holds the answer against the
// document that the hub serves: the status must be one that is described, and
// the body must have what its schema says and nothing else.
func conforms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: conforms METHOD TEMPLATE PATH [BODY]")
	}
	method, template, path, body := args[0], args[1], args[2], ""
	if len(args) == 4 {
		body = args[3]
	}
	base := "/v1"
	if strings.HasPrefix(template, "/admin/v1") {
		base = "/admin/v1"
	}
	status, _, document := call(ts, http.MethodGet, base+"/openapi.json", "")
	if status != http.StatusOK {
		ts.Fatalf("the document: %d %s", status, document)
	}
	status, media, answer := call(ts, method, path, body)
	at := fmt.Sprintf("/paths/%s/%s/responses/%d", pointer(template), strings.ToLower(method), status)
	schema := at + "/content/" + pointer(media) + "/schema"
	if err := valid(document, at, schema, answer); err != nil {
		ts.Fatalf("%s %s answers %d %s: %v\n%s", method, path, status, media, err, answer)
	}
}

// pointer escapes a name for a JSON pointer in a URL.
func pointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
}

func call(ts *testscript.TestScript, method, path, body string) (status int, media string, answer []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, ts.Getenv("HUB_ADDR")+path, strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+ts.Getenv("HUB_TOKEN"))
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	ts.Check(err)
	media, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	return resp.StatusCode, media, answer
}

// valid holds a body against the schema at a place of a document. An answer
// without a body needs its status described, no more.
func valid(document []byte, at, schema string, body []byte) error {
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	const url = "https://hub.test/openapi.json"
	if err := c.AddResource(url, closed(tree)); err != nil {
		return err
	}
	if len(body) == 0 {
		_, err := c.Compile(url + "#" + at)
		return err
	}
	s, err := c.Compile(url + "#" + schema)
	if err != nil {
		return err
	}
	var value any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return err
	}
	return s.Validate(value)
}

// closed forbids every object that lists its properties to have others: what
// an API does not describe it must not answer.
func closed(node any) any {
	switch n := node.(type) {
	case map[string]any:
		for _, v := range n {
			closed(v)
		}
		if _, lists := n["properties"].(map[string]any); lists && n["type"] == "object" {
			n["additionalProperties"] = false
		}
	case []any:
		for _, v := range n {
			closed(v)
		}
	}
	return node
}
