package awstest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
	"github.com/channelhub/channelhub/internal/awslocal"
)

func TestMain(m *testing.M) {
	// For all tests at once, so that they may run side by side.
	for _, pair := range awslocal.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(hubtest.Main(m))
}

// newTable makes a table as an operator does and returns its name.
func newTable(t *testing.T) string {
	t.Helper()
	a, err := awsconfig.Load(t.Context(), awsconfig.Settings{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	name := "hub-" + rand.Text()
	opts := &dynamotable.Options{Table: name, Endpoint: awslocal.DynamoDB(t)}
	if err := dynamotable.Provision(t.Context(), a.Config(), opts, nil); err != nil {
		t.Fatalf("provision: %v", err)
	}
	return name
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
