// Command unsureplugin is the mirror connector as a plugin whose provider knows
// no idempotency key: what became of a message that was cut off stays open.
package main

import (
	"github.com/channelhub/channelhub/internal/mirror"
	"github.com/channelhub/channelhub/sdk"
)

func main() {
	unsure := mirror.Connector
	unsure.IdempotentSend = false
	sdk.Serve(unsure)
}
