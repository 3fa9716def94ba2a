package dynamotable

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// TestJudgeCanceledTransactions covers reasons that no server here gives.
func TestJudgeCanceledTransactions(t *testing.T) {
	const told = "a message with a key in it"
	found := itemOf(driver.ID{7}, driver.Op{Key: driver.Key{PK: "c/acme/p", SK: "s"}, Value: []byte("v")})
	for _, test := range []struct {
		words []string
		want  model.Code // empty: a conflict
		index int
	}{
		{[]string{"None", "ConditionalCheckFailed", "None"}, "", 3},
		{[]string{"TransactionConflict", "None", "ConditionalCheckFailed"}, "", 4},
		{[]string{"None", "TransactionConflict"}, model.Throttled, 0},
		{[]string{"ProvisionedThroughputExceeded"}, model.Throttled, 0},
		{[]string{"ThrottlingError", "None"}, model.Throttled, 0},
		{[]string{"ThrottlingError", "ValidationError"}, model.Internal, 0},
		{[]string{"None"}, model.Internal, 0},
		{nil, model.Internal, 0},
	} {
		var reasons []types.CancellationReason
		for _, word := range test.words {
			r := types.CancellationReason{Code: aws.String(word), Message: aws.String(told)}
			if word == "ConditionalCheckFailed" {
				r.Item = found
			}
			reasons = append(reasons, r)
		}
		err := judge(reasons, []int{1, 3, 4}, errors.New(told))
		c, conflict := errors.AsType[*driver.ConflictError](err)
		switch {
		case test.want == "" && (!conflict || c.Index != test.index || c.Found == nil || string(c.Found.Value) != "v"):
			t.Errorf("%v: error = %#v, want a conflict of op %d with its row", test.words, err, test.index)
		case test.want != "" && (conflict || !model.Is(err, test.want)):
			t.Errorf("%v: error = %v, want code %q", test.words, err, test.want)
		case strings.Contains(err.Error(), told):
			t.Errorf("%v: the error tells what AWS said: %v", test.words, err)
		}
	}
}
