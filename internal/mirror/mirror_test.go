package mirror_test

import (
	"os"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/mirror"
	"github.com/channelhub/channelhub/sdk/sdktest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

func TestConformance(t *testing.T) {
	sdktest.Run(t, mirror.Connector, &sdktest.Suite{
		Main:    "./mirrorplugin",
		Account: `{"config": {"reply_url": "{{provider}}/reply"}, "secrets": {"secret": "a mirror test secret"}}`,
	})
}
