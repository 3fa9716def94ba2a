// Command mirrorplugin is the mirror connector as a plugin.
package main

import (
	"github.com/channelhub/channelhub/internal/mirror"
	"github.com/channelhub/channelhub/sdk"
)

func main() { sdk.Serve(mirror.Connector) }
