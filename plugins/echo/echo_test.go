package echo

import (
	"bytes"
	"os"
	"testing"

	"github.com/channelhub/channelhub/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Run(t, Connector, &sdktest.Suite{
		Main:    "../../cmd/hub-plugin-echo",
		Account: `{"config": {"reply_url": "{{provider}}/reply"}, "secrets": {"secret": "an echo test secret"}}`,
	})
}

// The connector is what newcomers read first. It stays a page and a half.
func TestConnectorIsAtMostAHundredLines(t *testing.T) {
	source, err := os.ReadFile("echo.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(source, []byte("\n")); lines > 100 {
		t.Errorf("echo.go has %d lines", lines)
	}
}
