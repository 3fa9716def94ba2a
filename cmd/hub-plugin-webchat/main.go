// Command hub-plugin-webchat is the web chat channel as a plugin of the hub.
package main

import (
	"github.com/channelhub/channelhub/plugins/webchat"
	"github.com/channelhub/channelhub/sdk"
)

func main() { sdk.Serve(webchat.Connector) }
