// Command hub-plugin-echo is the echo channel as a plugin of the hub.
package main

import (
	"github.com/channelhub/channelhub/plugins/echo"
	"github.com/channelhub/channelhub/sdk"
)

func main() { sdk.Serve(echo.Connector) }
