package awstest

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// calls notes which operations were sent, and where to.
type calls struct {
	mu         sync.Mutex
	operations map[string]bool
	hosts      map[string]bool
}

func (c *calls) add(call awsconfig.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operations[call.Service+" "+call.Operation] = true
	c.hosts[call.Host] = true
}

// TestStoryOnDynamoDB is the story of a conversation, with a restart in the
// middle: the customer writes, the CSR reads and answers, the provider tells
// that the answer has arrived. The hub sends the operations that its role
// allows, and nowhere but to the endpoint it was given.
func TestStoryOnDynamoDB(t *testing.T) {
	t.Parallel()
	name := storetest.Table(t)
	seen := &calls{operations: map[string]bool{}, hosts: map[string]bool{}}
	h := hubtest.New(t, &hubtest.Options{Config: onDynamoDB(name, awslocal.DynamoDB(t)), RecordAWS: seen.add})
	h.Say("ada", "in-1", "hello")
	h.Say("ada", "in-1", "hello") // a provider's repeat
	h.Say("bob", "in-2", "good day")
	if got := h.Events(hubtest.Desk, ""); got.Texts() != "hello good day" {
		t.Errorf("the feed says %q", got.Texts())
	}
	first := h.Send("ada", "what can I do for you")
	h.Await(first.ID, "sent")
	h.Receipt("delivered", hubtest.ProviderID(first.ID))
	h.Await(first.ID, "delivered")

	h.Restart()
	h.Say("ada", "in-3", "nothing really")
	second := h.Send("ada", "fine")
	h.Await(second.ID, "sent")
	h.Receipt("read", hubtest.ProviderID(second.ID))
	h.Await(second.ID, "read")
	if got := h.Events(hubtest.Archive, "limit=100"); strings.Join(received(got), "|") != "hello|good day|nothing really" {
		t.Errorf("the feed holds %q", received(got))
	}
	if other := h.Events(hubtest.Other, ""); len(other.Data) != 0 {
		t.Errorf("I8: another client reads %d events", len(other.Data))
	}
	var posted []string
	for _, p := range h.Provider.Posts() {
		posted = append(posted, p.Text)
	}
	if diff := cmp.Diff([]string{"what can I do for you", "fine"}, posted); diff != "" {
		t.Errorf("the provider got (-want +got):\n%s", diff)
	}

	seen.mu.Lock()
	defer seen.mu.Unlock()
	// What the hub's role allows; a commit of several rows is a transaction.
	allowed := map[string]bool{
		"DynamoDB DescribeTable": true, "DynamoDB DescribeTimeToLive": true,
		"DynamoDB GetItem": true, "DynamoDB Query": true,
		"DynamoDB PutItem": true, "DynamoDB DeleteItem": true, "DynamoDB TransactWriteItems": true,
	}
	for op := range seen.operations {
		if !allowed[op] {
			t.Errorf("the hub called %s, which its role does not allow", op)
		}
	}
	if !seen.operations["DynamoDB PutItem"] || !seen.operations["DynamoDB Query"] {
		t.Errorf("recorded %v", seen.operations)
	}
	if endpoint := strings.TrimPrefix(awslocal.DynamoDB(t), "http://"); len(seen.hosts) != 1 || !seen.hosts[endpoint] {
		t.Errorf("the hub called %v, want %s alone", seen.hosts, endpoint)
	}
}

// received is what customers said in a page of the feed.
func received(e hubtest.Events) []string {
	var out []string
	for _, ev := range e.Data {
		if ev.Type == "message.received" {
			out = append(out, ev.Message.Content.Text)
		}
	}
	return out
}
