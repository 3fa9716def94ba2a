// Package sdktest proves that a connector keeps the contract.
//
// A connector's test is one function and a folder of stories:
//
//	func TestConformance(t *testing.T) {
//		sdktest.Run(t, acme.Connector, &sdktest.Suite{
//			Main:    "example.com/acme/cmd/hub-plugin-acme",
//			Account: `{"config": {"url": "{{provider}}"}, "secrets": {"secret": "a test secret"}}`,
//		})
//	}
//
// The connector is driven through the real gRPC stack against a fake hub and a
// fake provider: once in memory and, when Main is set, once as the built
// binary, with the handshake and mutual TLS of a real start. What the author
// tells in stories, the suite then tells again in every way that goes wrong.
//
// # Stories
//
// A story is a .txtar file in testdata. Its sections say which kind it is; run
// the tests with -update to have what is wanted written down.
//
//	request.http               a provider's request: POST /in/acme/test and so on
//	want.reply                 what the provider is answered
//	want.events.json           what the request told: events and receipts
//
//	frame.json                 a frame of a socket: {"visitor": …, "frame": …}
//	want.events.json           what it told
//	want.refusal.json          or why it was not understood
//
//	render.json                a list of things to show in a browser
//	want.frames.json           the frames they become
//
//	message.json               a delivery: {"to": …, "message": …}
//	provider/1.request.http    what the provider is asked, in order
//	provider/1.response.http   what it answers
//	want.outcome.json          what became of it
//	attachment/att_1           the bytes of its file of that id
//
//	fetch.json                 a file that an event announced: {"attachment": …}
//	provider/1.request.http    what the provider is asked, in order
//	provider/1.response.http   what it answers
//	want.file.json             what the file is, its size and hash, or the fault
//
// Each kind may have a config.json in place of [Suite].Account. JSON sections
// hold the contract's messages in protobuf's JSON form with the contract's own
// field names. The account of every story is called "test". {{provider}}
// stands for the fake provider's URL, and {{signature}} for a valid signature
// when the connector declares how its requests are signed.
package sdktest

import (
	"flag"
	"testing"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/internal/egress"
)

var update = flag.Bool("update", false, "write what stories want, from what they get")

// accountID is the account of every story.
const accountID = "test"

// Suite is what the tests need to know of a connector.
type Suite struct {
	// Main is the import path of the connector's command, or its folder. When
	// it is empty, the connector runs in memory only.
	Main string
	// Account is a JSON object with the config and secrets of an account that
	// opens; a secret is a string or a list of them. Every provider address in
	// it is {{provider}}, with a path if need be.
	Account string
	// Stories is the folder of the stories; empty means "testdata".
	Stories string
	// SignatureHeader is the header that signs a request, for connectors that
	// do not declare a signature. Empty means that requests are not signed.
	SignatureHeader string
}

// Run runs every story and all that the suite derives from them. It fails the
// test when there is no story. From then on nothing in the test's process
// reaches beyond loopback through providerhttp.
func Run(t *testing.T, plugin sdk.Plugin, suite *Suite) {
	t.Helper()
	egress.LoopbackOnly.Store(true)
	folder := suite.Stories
	if folder == "" {
		folder = "testdata"
	}
	stories := loadStories(t, folder)
	t.Run("memory", func(t *testing.T) {
		runIn(t, suite, stories, func(t *testing.T) *target { return inMemory(t, plugin) }, *update)
	})
	if suite.Main == "" {
		return
	}
	t.Run("binary", func(t *testing.T) {
		binary := Build(t, suite.Main)
		runIn(t, suite, stories, func(t *testing.T) *target { return asProcess(t, binary) }, false)
		t.Run("process", func(t *testing.T) { checkProcess(t, suite, binary) })
	})
}

// runIn runs everything against connectors that start makes.
func runIn(t *testing.T, suite *Suite, stories []*story, start func(*testing.T) *target, rewrite bool) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			b := newBench(t, suite, start(t))
			b.attach(t)
			story.run(t, b, rewrite)
			b.checkLogs(t, story)
		})
	}
	t.Run("contract", func(t *testing.T) { checkContract(t, suite, stories, start) })
}
