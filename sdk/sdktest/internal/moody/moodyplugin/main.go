// Command moodyplugin is the moody connector as a plugin.
package main

import (
	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/sdktest/internal/moody"
)

func main() { sdk.Serve(moody.Connector) }
