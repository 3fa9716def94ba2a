package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/model"
)

// ask sends any request and returns the status and the body.
func ask(t *testing.T, method, url, token, kind string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}

func TestAttachments(t *testing.T) {
	h := hubtest.New(t, nil)
	upload := func(kind string, body []byte) model.Attachment {
		t.Helper()
		status, answer := ask(t, http.MethodPost, h.Public+"/v1/attachments?name=a.txt", hubtest.Desk, kind, body)
		var a model.Attachment
		if status != http.StatusCreated || json.Unmarshal(answer, &a) != nil {
			t.Fatalf("upload: %d %s", status, answer)
		}
		return a
	}
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("file", "b.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "hello there"); err != nil {
		t.Fatal(err)
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	raw, formed := upload("", []byte("hello there")), upload(parts.FormDataContentType(), form.Bytes())
	for _, a := range []model.Attachment{raw, formed} {
		if a.State != model.AttachmentReady || a.Size != 11 || a.MimeType != "text/plain" || a.ExpiresAt == nil || a.SHA256 != raw.SHA256 {
			t.Errorf("uploaded: %+v", a)
		}
		if status, body := ask(t, http.MethodGet, a.URL, "", "", nil); status != 200 || string(body) != "hello there" {
			t.Errorf("link: %d %q", status, body)
		}
	}
	path := "/v1/attachments/" + string(raw.ID)
	if status, body := ask(t, http.MethodGet, h.Public+path, hubtest.Desk, "", nil); status != 200 || !bytes.Contains(body, []byte(`/a/`)) {
		t.Errorf("look up: %d %s", status, body)
	}
	missing := "/v1/attachments/" + string(model.NewAttachmentID())
	for _, p := range []string{path, missing} {
		if status, _ := ask(t, http.MethodGet, h.Public+p, hubtest.Other, "", nil); status != 404 {
			t.Errorf("%s as another client: %d, want 404", p, status)
		}
	}
	for name, tc := range map[string]struct {
		body   string
		status int
		field  string
	}{
		"a page":   {"<html><script>", 422, "type"},
		"empty":    {"", 422, "empty"},
		"too long": {"hello " + string(bytes.Repeat([]byte("x"), 25<<20)), 413, ""},
	} {
		if status, answer := ask(t, http.MethodPost, h.Public+"/v1/attachments", hubtest.Desk, "", []byte(tc.body)); status != tc.status || !bytes.Contains(answer, []byte(`"field":"`+tc.field+`"`)) && tc.field != "" {
			t.Errorf("%s: %d %s, want %d and the field %q", name, status, answer, tc.status, tc.field)
		}
	}
	// Echo takes text alone, and says so before anything is sent.
	for _, query := range []string{"", "?dry_run=true"} {
		body := `{"account_id":"acme-echo","to":{"address":"15550001"},"content":{"type":"media"},"attachments":["` + string(raw.ID) + `"]}`
		if status, answer := ask(t, http.MethodPost, h.Public+"/v1/messages"+query, hubtest.Desk, "application/json", []byte(body)); status != 422 || !bytes.Contains(answer, []byte("content.type")) {
			t.Errorf("send%s: %d %s, want 422", query, status, answer)
		}
	}
}
