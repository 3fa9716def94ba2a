package dynamotable

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// Provisioning adjusts Provision; nil takes every default.
type Provisioning struct {
	// KMSKeyID is the customer's key that encrypts the table. Empty: the key
	// that AWS manages for DynamoDB in the account.
	KMSKeyID string
}

// activePatience bounds the wait for a new table; AWS takes some seconds.
const activePatience = 2 * time.Minute

// Provision creates the table as the driver needs it: on-demand capacity,
// encrypted under a KMS key, protected from deletion, expiry switched on. What
// is there already stays and is completed, so it may be run again. It needs
// rights that the running hub does not: dynamodb:CreateTable, UpdateTable and
// UpdateTimeToLive.
func Provision(ctx context.Context, cfg aws.Config, opts *Options, how *Provisioning) error {
	if how == nil {
		how = &Provisioning{}
	}
	st := newStore(cfg, opts)
	sse := &types.SSESpecification{Enabled: aws.Bool(true), SSEType: types.SSETypeKms}
	if how.KMSKeyID != "" {
		sse.KMSMasterKeyId = aws.String(how.KMSKeyID)
	}
	_, err := st.hub.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &st.opts.Table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(attrPK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrSK), AttributeType: types.ScalarAttributeTypeB},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(attrPK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(attrSK), KeyType: types.KeyTypeRange},
		},
		SSESpecification:          sse,
		DeletionProtectionEnabled: aws.Bool(true),
	})
	if err != nil && awsconfig.Word(err) != "ResourceInUseException" {
		return awsconfig.Fault("create DynamoDB table", err)
	}
	if err := st.awaitActive(ctx); err != nil {
		return err
	}
	return st.enableExpiry(ctx)
}

func (st *Store) awaitActive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, activePatience)
	defer cancel()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		table, err := st.describe(ctx)
		if err != nil {
			return err
		}
		if table.TableStatus == types.TableStatusActive {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return model.Errorf(model.Unavailable, "create DynamoDB table", "it is still %s", table.TableStatus)
		}
	}
}

func (st *Store) enableExpiry(ctx context.Context) error {
	ttl, err := st.hub.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &st.opts.Table})
	if err != nil {
		return awsconfig.Fault("read the table's time to live", err)
	}
	if expiryOn(ttl.TimeToLiveDescription) {
		return nil
	}
	_, err = st.hub.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &st.opts.Table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(attrExpires), Enabled: aws.Bool(true)},
	})
	return awsconfig.Fault("switch on the table's time to live", err)
}

func expiryOn(d *types.TimeToLiveDescription) bool {
	return d != nil && aws.ToString(d.AttributeName) == attrExpires &&
		(d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling)
}

func (st *Store) describe(ctx context.Context) (*types.TableDescription, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := st.hub.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &st.opts.Table})
	if err != nil {
		return nil, awsconfig.Fault(fmt.Sprintf("describe DynamoDB table %s", st.opts.Table), err)
	}
	return out.Table, nil
}
