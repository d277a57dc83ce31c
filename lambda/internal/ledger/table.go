package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/strata-cdk/strata/lambda/contract"
)

// DynamoDB is what the ledger needs of the service. Every write goes through TransactWriteItems: its request token
// makes the SDK's own retry of a lost answer safe, where a repeated conditional UpdateItem would be refused.
type DynamoDB interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Table is the ledger's table. All reads but those of the index are strongly consistent.
type Table struct {
	Client DynamoDB
	Name   string
}

// ErrNotFound says that the ledger has no such record.
var ErrNotFound = errors.New("not in the ledger")

func (t *Table) get(ctx context.Context, key Key) (Item, error) {
	out, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.Name, Key: key.attributes(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", key.PK, key.SK, err)
	}
	if out.Item == nil {
		return nil, fmt.Errorf("%s/%s: %w", key.PK, key.SK, ErrNotFound)
	}
	return out.Item, nil
}

// query calls each for the items of a partition whose sort keys start with prefix, in order, until it returns false.
func (t *Table) query(ctx context.Context, pk, prefix string, each func(Item) (bool, error)) error {
	cond, values := "#pk = :pk", Values{"pk": pk}
	if prefix != "" {
		cond += " AND begins_with(#sk, :prefix)"
		values["prefix"] = prefix
	}
	return t.pages(ctx, &dynamodb.QueryInput{KeyConditionExpression: &cond, ExpressionAttributeNames: names(cond),
		ExpressionAttributeValues: placeholders(values), ConsistentRead: aws.Bool(true)}, each)
}

func (t *Table) pages(ctx context.Context, in *dynamodb.QueryInput, each func(Item) (bool, error)) error {
	in.TableName = &t.Name
	for {
		out, err := t.Client.Query(ctx, in)
		if err != nil {
			return fmt.Errorf("query %s: %w", aws.ToString(in.KeyConditionExpression), err)
		}
		for _, item := range out.Items {
			if more, err := each(item); err != nil || !more {
				return err
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// getLimit is DynamoDB's bound on the keys of one BatchGetItem.
const getLimit = 100

// Existing returns which of the keys the ledger holds.
func (t *Table) Existing(ctx context.Context, keys []Key) (map[Key]bool, error) {
	found := make(map[Key]bool, len(keys))
	for start := 0; start < len(keys); start += getLimit {
		chunk := keys[start:min(start+getLimit, len(keys))]
		wanted := make([]map[string]types.AttributeValue, len(chunk))
		for i, k := range chunk {
			wanted[i] = k.attributes()
		}
		wait := 50 * time.Millisecond
		for try := 1; len(wanted) > 0; try++ {
			out, err := t.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
				t.Name: {Keys: wanted, ProjectionExpression: aws.String("pk, sk")}}})
			if err != nil {
				return nil, fmt.Errorf("look up %d ledger keys: %w", len(wanted), err)
			}
			for _, item := range out.Responses[t.Name] {
				found[Key{Item(item).text("pk"), Item(item).text("sk")}] = true
			}
			wanted = out.UnprocessedKeys[t.Name].Keys
			if len(wanted) == 0 {
				break
			}
			if try == conflictTries {
				return nil, fmt.Errorf("look up ledger keys: DynamoDB left %d of them unread after %d tries", len(wanted), try)
			}
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
			wait *= 2
		}
	}
	return found, nil
}

// any tells whether a partition holds an item.
func (t *Table) any(ctx context.Context, pk string, keep func(Item) bool) (bool, error) {
	found := false
	err := t.query(ctx, pk, "", func(i Item) (bool, error) {
		found = keep == nil || keep(i)
		return !found, nil
	})
	return found, err
}

// queryDataset calls each for the batch records of a dataset that were frozen in [from, to), oldest first. The index is
// eventually consistent.
func (t *Table) queryDataset(ctx context.Context, dataset, from, to string, each func(Item) (bool, error)) error {
	cond, values := "#dataset = :dataset", Values{"dataset": dataset}
	if from == "" {
		from = "0"
	}
	if to == "" {
		to = "~"
	}
	cond += " AND #frozen_at BETWEEN :from AND :to"
	values["from"], values["to"] = from, to
	return t.pages(ctx, &dynamodb.QueryInput{IndexName: aws.String(contract.DatasetIndex), KeyConditionExpression: &cond,
		ExpressionAttributeNames: names(cond), ExpressionAttributeValues: placeholders(values)},
		func(i Item) (bool, error) {
			if to != "~" && i.text("frozen_at") == to {
				return true, nil
			}
			return each(i)
		})
}
