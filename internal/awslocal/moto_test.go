package awslocal

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestMotoServesOnLoopback(t *testing.T) {
	endpoint := Moto(t)
	if !strings.HasPrefix(endpoint, "http://127.0.0.1:") {
		t.Fatalf("moto listens on %q", endpoint)
	}
	if again := Moto(t); again != endpoint {
		t.Errorf("a second server at %s beside %s", again, endpoint)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint+"/moto-api/data.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("moto answers %d, %v", resp.StatusCode, err)
	}
}

func TestMissingMotoIsSaidInOneLine(t *testing.T) {
	t.Setenv("PYTHONPATH", t.TempDir())
	t.Setenv("PATH", t.TempDir()) // no python3, no go
	_, err := moto()
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "Python 3") {
		t.Errorf("got %v, want one line that names what is missing", err)
	}
}
