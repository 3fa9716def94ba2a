package dynamotable

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// The states of a Finding.
const (
	OK     = "ok"
	Warned = "warning" // it may be used; somebody should know
	Failed = "failed"  // Open refuses it
)

// Finding is one thing that Check looked at.
type Finding struct {
	Name   string // such as "table/encryption"
	State  string // OK, Warned or Failed
	Detail string // what was found
	Mend   string // what to do about it, in one line; empty when OK

	code model.Code
}

// Check looks whether the table is as the driver needs it: there and active,
// with the right keys, encrypted under a KMS key, with expiry on, and in the
// region. An error means that it could not look.
func Check(ctx context.Context, cfg aws.Config, opts *Options) ([]Finding, error) {
	findings, _, err := newStore(cfg, opts).check(ctx)
	return findings, err
}

// check returns the table's ARN as well.
func (st *Store) check(ctx context.Context) (findings []Finding, arn string, err error) {
	table, err := st.describe(ctx)
	if model.Is(err, model.NotFound) {
		return []Finding{{
			Name: "table/there", State: Failed, Detail: fmt.Sprintf("there is no table %s in %s", st.opts.Table, st.cfg.Region),
			Mend: "create it with the template in deploy/aws, or mend storage.table.dynamodb.table", code: model.NotFound,
		}}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	findings = []Finding{checkActive(table), checkKeys(table), st.checkEncryption(table)}
	expiry, err := st.checkExpiry(ctx)
	if err != nil {
		return nil, "", err
	}
	return append(findings, expiry, checkProtection(table)), aws.ToString(table.TableArn), nil
}

func checkActive(table *types.TableDescription) Finding {
	f := Finding{Name: "table/active", State: OK, Detail: string(table.TableStatus)}
	switch table.TableStatus {
	case types.TableStatusActive, types.TableStatusUpdating:
	default:
		f.State, f.Mend, f.code = Failed, "wait until the table is ACTIVE", model.Unavailable
	}
	return f
}

func checkKeys(table *types.TableDescription) Finding {
	const want = "p (S, HASH), s (B, RANGE)"
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range table.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	got := ""
	for i, k := range table.KeySchema {
		if i > 0 {
			got += ", "
		}
		name := aws.ToString(k.AttributeName)
		got += fmt.Sprintf("%s (%s, %s)", name, kinds[name], k.KeyType)
	}
	f := Finding{Name: "table/keys", State: OK, Detail: got}
	if got != want {
		f.State, f.code = Failed, model.Invalid
		f.Mend = "keys cannot be changed: make a new table with " + want + ", as the template in deploy/aws does"
	}
	return f
}

func (st *Store) checkEncryption(table *types.TableDescription) Finding {
	f := Finding{Name: "table/encryption", State: OK}
	sse := table.SSEDescription
	switch {
	case sse != nil && sse.SSEType == types.SSETypeKms && (sse.Status == types.SSEStatusEnabled || sse.Status == types.SSEStatusUpdating):
		f.Detail = "SSE-KMS"
		return f
	case sse == nil:
		f.Detail = "the service reports no KMS key"
	default:
		f.Detail = fmt.Sprintf("SSE %s, %s", sse.SSEType, sse.Status)
	}
	f.State, f.code = Failed, model.Invalid
	f.Mend = "switch on encryption under a KMS key: aws dynamodb update-table --sse-specification Enabled=true,SSEType=KMS"
	if st.opts.Endpoint != "" && sse == nil {
		// A stand-in may not report it at all; a VPC endpoint of AWS does.
		f.State = Warned
	}
	return f
}

func (st *Store) checkExpiry(ctx context.Context) (Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := st.hub.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &st.opts.Table})
	if err != nil {
		return Finding{}, awsconfig.Fault("read the table's time to live", err)
	}
	f := Finding{Name: "table/expiry", State: OK, Detail: "time to live on attribute " + attrExpires}
	if !expiryOn(out.TimeToLiveDescription) {
		f.State, f.Detail, f.code = Failed, "time to live is off: rows past their end would stay for ever", model.Invalid
		f.Mend = "aws dynamodb update-time-to-live --time-to-live-specification Enabled=true,AttributeName=" + attrExpires
	}
	return f, nil
}

func checkProtection(table *types.TableDescription) Finding {
	f := Finding{Name: "table/protection", State: OK, Detail: "deletion protection is on"}
	if !aws.ToBool(table.DeletionProtectionEnabled) {
		f.State, f.Detail = Warned, "deletion protection is off"
		f.Mend = "aws dynamodb update-table --deletion-protection-enabled"
	}
	return f
}
