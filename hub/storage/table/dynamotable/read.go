package dynamotable

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Get implements driver.Driver.
func (st *Store) Get(ctx context.Context, key driver.Key) (driver.Row, driver.Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	row, cost, err := st.get(ctx, key)
	if err == nil && row == nil {
		return driver.Row{}, cost, model.Errorf(model.NotFound, "get row", "no such row")
	}
	if err != nil {
		return driver.Row{}, cost, err
	}
	return *row, cost, nil
}

// get returns nil when there is no row.
func (st *Store) get(ctx context.Context, key driver.Key) (*driver.Row, driver.Cost, error) {
	out, err := st.as(key.PK).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &st.opts.Table, Key: keyOf(key.PK, key.SK),
		ConsistentRead:         aws.Bool(true),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	var cost driver.Cost
	if err != nil {
		return nil, cost, fault("get row", err)
	}
	if out.ConsumedCapacity != nil {
		spent(&cost, false, *out.ConsumedCapacity)
	}
	if len(out.Item) == 0 {
		return nil, cost, nil
	}
	row, err := rowOf(out.Item)
	if err != nil {
		return nil, cost, err
	}
	return &row, cost, nil
}

// Query implements driver.Driver. DynamoDB takes one range of the sort key, so
// the cursor is a bound of it and not an ExclusiveStartKey.
func (st *Store) Query(ctx context.Context, q driver.Query) (driver.Page, driver.Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var page driver.Page
	var cost driver.Cost
	in, drop, empty := st.queryInput(q)
	if empty {
		return page, cost, nil
	}
	for {
		out, err := st.as(q.PK).Query(ctx, in)
		if err != nil {
			return driver.Page{}, cost, fault("query rows", err)
		}
		if out.ConsumedCapacity != nil {
			spent(&cost, false, *out.ConsumedCapacity)
		}
		for _, it := range out.Items {
			row, err := rowOf(it)
			if err != nil {
				return driver.Page{}, cost, err
			}
			if row.SK != drop {
				page.Rows = append(page.Rows, row)
			}
		}
		more := len(out.LastEvaluatedKey) > 0
		// DynamoDB names a last key even when nothing follows it, so one row
		// more than asked for tells the truth. A page that it ends early, at
		// 1 MiB, is handed out as it is; the portable type asks on.
		if n := len(page.Rows); !more || n > q.Limit || 0 < n && n < q.Limit {
			page.Rows, page.More = page.Rows[:min(n, q.Limit)], more || n > q.Limit
			return page, cost, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// queryInput builds the request. Sort keys equal to drop are the bound's own,
// which BETWEEN takes in though the range does not.
func (st *Store) queryInput(q driver.Query) (in *dynamodb.QueryInput, drop string, empty bool) {
	from, to := q.From, q.To // from <= sk < to
	if q.After != "" && !q.Reverse {
		from = q.After + "\x00" // the next byte string there is
	}
	if q.After != "" && q.Reverse {
		to = q.After
	}
	if to != "" && from >= to {
		return nil, "", true
	}
	text := attrPK + " = :p"
	values := item{":p": &types.AttributeValueMemberS{Value: pkText(q.PK)}}
	bound := func(name, sk string) { values[name] = &types.AttributeValueMemberB{Value: []byte(sk)} }
	limit := q.Limit + 1
	switch {
	case from != "" && to != "":
		text += " AND " + attrSK + " BETWEEN :from AND :to"
		bound(":from", from)
		bound(":to", to)
		drop = to
		limit++
	case from != "":
		text += " AND " + attrSK + " >= :from"
		bound(":from", from)
	case to != "":
		text += " AND " + attrSK + " < :to"
		bound(":to", to)
	}
	return &dynamodb.QueryInput{
		TableName: &st.opts.Table, KeyConditionExpression: &text, ExpressionAttributeValues: values,
		ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!q.Reverse), Limit: aws.Int32(int32(min(limit, 1<<20))), //nolint:gosec // bounded right here
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}, drop, false
}
