package awstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

func TestMain(m *testing.M) {
	if err := awslocal.Export(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(hubtest.Main(m))
}

func onDynamoDB(table, endpoint string) string {
	return fmt.Sprintf("storage: {table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}}", table, endpoint)
}

// check is one dependency as /readyz?verbose shows it.
type check struct{ Name, State, Detail string }

// readiness asks the hub for its status and what it says of its table.
func readiness(t *testing.T, h *hubtest.Hub) (status int, table check) {
	t.Helper()
	a := h.Call("", http.MethodGet, "/readyz?verbose", nil)
	var out struct{ Checks []check }
	if err := json.Unmarshal(a.Body, &out); err != nil {
		t.Fatalf("read /readyz: %v", err)
	}
	for _, c := range out.Checks {
		if c.Name == "table" {
			return a.Status, c
		}
	}
	t.Fatal("/readyz?verbose does not name the table")
	return 0, check{}
}

func decode(t *testing.T, a hubtest.Answer, out any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, out); err != nil {
		t.Fatalf("decode answer: %v", err)
	}
}

// page is what a link led to.
type page struct {
	Status int
	Header http.Header
	URL    *url.URL
	Body   string
}

func fetch(t *testing.T, client *http.Client, link string) page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, resp.Request.URL, string(body)}
}
