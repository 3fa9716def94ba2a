package awslocal

import (
	"strings"
	"testing"
)

func TestDynamoDBServesOnLoopback(t *testing.T) {
	endpoint := DynamoDB(t)
	if !strings.HasPrefix(endpoint, "http://127.0.0.1:") {
		t.Errorf("dynoxide listens on %q", endpoint)
	}
	if again := DynamoDB(t); again != endpoint {
		t.Errorf("a second server at %s beside %s", again, endpoint)
	}
}
