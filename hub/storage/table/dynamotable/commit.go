package dynamotable

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Commit implements driver.Driver.
func (st *Store) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return driver.Cost{}, driver.Code(model.Unavailable, "commit", err)
	}
	// A check of anything holds, and DynamoDB has no way to say it.
	kept := make([]int, 0, len(ops))
	for i, o := range ops {
		if o.Kind != driver.OpCheck || o.Cond.Kind != driver.CondAny {
			kept = append(kept, i)
		}
	}
	switch len(kept) {
	case 0:
		return driver.Cost{}, nil
	case 1:
		return st.commitOne(ctx, id, ops[kept[0]], kept[0])
	}
	return st.transact(ctx, id, ops, kept)
}

// commitOne is a plain conditional write, half the price of a transaction. A
// check is a strong read: one row is judged at one instant either way.
func (st *Store) commitOne(ctx context.Context, id driver.ID, o driver.Op, index int) (driver.Cost, error) {
	var cost driver.Cost
	var consumed *types.ConsumedCapacity
	var err error
	cond := conditionOf(o.Cond)
	switch o.Kind {
	case driver.OpCheck:
		row, cost, err := st.get(ctx, o.Key)
		if err == nil && !holds(o.Cond, row) {
			err = &driver.ConflictError{Index: index, Found: row}
		}
		return cost, err
	case driver.OpPut:
		var out *dynamodb.PutItemOutput
		out, err = st.as(o.PK).PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &st.opts.Table, Item: itemOf(id, o),
			ConditionExpression: cond.text, ExpressionAttributeValues: cond.values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
		})
		if err == nil {
			consumed = out.ConsumedCapacity
		}
	case driver.OpDelete:
		var out *dynamodb.DeleteItemOutput
		out, err = st.as(o.PK).DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &st.opts.Table, Key: keyOf(o.PK, o.SK),
			ConditionExpression: cond.text, ExpressionAttributeValues: cond.values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
		})
		if err == nil {
			consumed = out.ConsumedCapacity
		}
	}
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return cost, conflict(index, failed.Item)
	}
	if err != nil {
		return cost, fault("commit", err)
	}
	if consumed != nil {
		spent(&cost, true, *consumed)
	}
	return cost, nil
}

// transact writes under the commit's id as the token: the same commit again
// within ten minutes is answered like the first time and writes nothing.
func (st *Store) transact(ctx context.Context, id driver.ID, ops []driver.Op, kept []int) (driver.Cost, error) {
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken:     aws.String(hex.EncodeToString(id[:])),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		TransactItems:          make([]types.TransactWriteItem, 0, len(kept)),
	}
	for _, i := range kept {
		in.TransactItems = append(in.TransactItems, st.part(id, ops[i]))
	}
	// A commit never spans two roots, so any of its keys names the client.
	out, err := st.as(ops[0].PK).TransactWriteItems(ctx, in)
	var cost driver.Cost
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return cost, judge(canceled.CancellationReasons, kept, err)
	}
	if err != nil {
		return cost, fault("commit", err)
	}
	spent(&cost, true, out.ConsumedCapacity...)
	return cost, nil
}

func (st *Store) part(id driver.ID, o driver.Op) types.TransactWriteItem {
	cond := conditionOf(o.Cond)
	const found = types.ReturnValuesOnConditionCheckFailureAllOld
	switch o.Kind {
	case driver.OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &st.opts.Table, Key: keyOf(o.PK, o.SK), ConditionExpression: cond.text,
			ExpressionAttributeValues: cond.values, ReturnValuesOnConditionCheckFailure: found,
		}}
	case driver.OpCheck:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &st.opts.Table, Key: keyOf(o.PK, o.SK), ConditionExpression: cond.text,
			ExpressionAttributeValues: cond.values, ReturnValuesOnConditionCheckFailure: found,
		}}
	case driver.OpPut:
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &st.opts.Table, Item: itemOf(id, o), ConditionExpression: cond.text,
		ExpressionAttributeValues: cond.values, ReturnValuesOnConditionCheckFailure: found,
	}}
}

// judge turns the reasons of a transaction that wrote nothing into the error
// of the commit. A failed condition is told before what may pass: the caller
// has to look again in any case.
func judge(reasons []types.CancellationReason, kept []int, err error) error {
	worst := model.Code("")
	for n, r := range reasons {
		switch word := aws.ToString(r.Code); word {
		case "", "None":
		case "ConditionalCheckFailed":
			if n < len(kept) {
				return conflict(kept[n], r.Item)
			}
		case "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError":
			if worst == "" {
				worst = model.Throttled
			}
		case "ItemCollectionSizeLimitExceeded":
			worst = model.TooLarge
		default: // ValidationError and whatever comes
			worst = model.Internal
		}
	}
	if worst == "" {
		worst = model.Internal
	}
	return driver.Code(worst, "commit", quietReasons(reasons, err))
}

// quietReasons names the reasons in AWS's words; their messages hold keys.
func quietReasons(reasons []types.CancellationReason, err error) error {
	e := &canceledError{cause: err}
	for _, r := range reasons {
		if word := aws.ToString(r.Code); word != "" && word != "None" && len(word) < 64 {
			e.word = word
			break
		}
	}
	return e
}

type canceledError struct {
	word  string
	cause error
}

func (c *canceledError) Error() string {
	if c.word == "" {
		return "transaction canceled"
	}
	return "transaction canceled: " + c.word
}

func (c *canceledError) Unwrap() error { return c.cause }

// conflict hands back the row found.
func conflict(index int, found item) error {
	c := &driver.ConflictError{Index: index}
	if len(found) > 0 {
		row, err := rowOf(found)
		if err != nil {
			return err
		}
		c.Found = &row
	}
	return c
}
