package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TransactLimit is DynamoDB's bound on the writes of one transaction.
const TransactLimit = 100

// conflictTries bounds the tries of a transaction that others disturb; the waits between them double from 25 ms.
const conflictTries = 8

// Write is one conditional write. Expressions name attributes as #name and values as :name.
type Write struct {
	kind   writeKind
	key    Key
	item   Values
	update string
	cond   string
	values Values
}

type writeKind int

const (
	kindPut writeKind = iota
	kindUpdate
	kindDelete
	kindCheck
)

// Put stores item under key if cond holds.
func Put(key Key, item Values, cond string, values Values) Write {
	return Write{kind: kindPut, key: key, item: item, cond: cond, values: values}
}

// Create stores item under key if there is none.
func Create(key Key, item Values) Write { return Put(key, item, "attribute_not_exists(#pk)", nil) }

// Update changes the item if cond holds.
func Update(key Key, update, cond string, values Values) Write {
	return Write{kind: kindUpdate, key: key, update: update, cond: cond, values: values}
}

// Delete removes the item if cond holds.
func Delete(key Key, cond string, values Values) Write {
	return Write{kind: kindDelete, key: key, cond: cond, values: values}
}

// Check writes nothing and fails the transaction unless cond holds.
func Check(key Key, cond string, values Values) Write {
	return Write{kind: kindCheck, key: key, cond: cond, values: values}
}

// ConditionError tells which writes' conditions did not hold. Nothing was written.
type ConditionError struct{ Failed []int }

func (e *ConditionError) Error() string {
	return fmt.Sprintf("condition of write %v does not hold", e.Failed)
}

// FailedConditions returns the indexes of the writes whose conditions did not hold, if that is what err says.
func FailedConditions(err error) ([]int, bool) {
	var c *ConditionError
	if errors.As(err, &c) {
		return c.Failed, true
	}
	return nil, false
}

// Refused tells whether err says that a condition did not hold.
func Refused(err error) bool {
	_, ok := FailedConditions(err)
	return ok
}

// Apply makes all writes or none. Transactions that collide with another are tried again; conditions that do not hold
// come back as a *ConditionError.
func (t *Table) Apply(ctx context.Context, writes ...Write) error {
	if len(writes) > TransactLimit {
		return fmt.Errorf("a transaction of %d writes: DynamoDB allows %d", len(writes), TransactLimit)
	}
	items := make([]types.TransactWriteItem, len(writes))
	for i, w := range writes {
		items[i] = t.transactItem(w)
	}
	wait := 25 * time.Millisecond
	for try := 1; ; try++ {
		_, err := t.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
		if err == nil {
			return nil
		}
		failed, again := reasons(err)
		if len(failed) > 0 {
			return &ConditionError{Failed: failed}
		}
		if !again || try == conflictTries {
			return fmt.Errorf("write %d ledger items: %w", len(writes), err)
		}
		if err := sleep(ctx, wait/2+rand.N(wait)); err != nil {
			return fmt.Errorf("write %d ledger items: %w", len(writes), err)
		}
		wait *= 2
	}
}

// reasons reads why a transaction was cancelled: conditions that do not hold, or collisions worth another try. The SDK
// retries neither.
func reasons(err error) (failed []int, again bool) {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return nil, false
	}
	for i, r := range cancelled.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "ConditionalCheckFailed":
			failed = append(failed, i)
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			again = true
		case "None", "":
		default:
			return nil, false
		}
	}
	return failed, again
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

var nameRef = regexp.MustCompile(`#[a-z_]+`)

// names maps each #name of the expressions to the attribute it names, so that no attribute can be a reserved word.
func names(expressions ...string) map[string]string {
	var out map[string]string
	for _, e := range expressions {
		for _, ref := range nameRef.FindAllString(e, -1) {
			if out == nil {
				out = map[string]string{}
			}
			out[ref] = ref[1:]
		}
	}
	return out
}

func placeholders(v Values) map[string]types.AttributeValue {
	if len(v) == 0 {
		return nil
	}
	out := make(map[string]types.AttributeValue, len(v))
	for k, e := range v {
		out[":"+k] = encode(e)
	}
	return out
}

func (k Key) attributes() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": encode(k.PK), "sk": encode(k.SK)}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (t *Table) transactItem(w Write) types.TransactWriteItem {
	cond, values := optional(w.cond), placeholders(w.values)
	exprNames := names(w.cond, w.update)
	switch w.kind {
	case kindPut:
		item := w.key.attributes()
		for _, k := range sortedKeys(w.item) {
			item[k] = encode(w.item[k])
		}
		return types.TransactWriteItem{Put: &types.Put{TableName: &t.Name, Item: item,
			ConditionExpression: cond, ExpressionAttributeNames: exprNames, ExpressionAttributeValues: values}}
	case kindUpdate:
		return types.TransactWriteItem{Update: &types.Update{TableName: &t.Name, Key: w.key.attributes(),
			UpdateExpression: &w.update, ConditionExpression: cond,
			ExpressionAttributeNames: exprNames, ExpressionAttributeValues: values}}
	case kindDelete:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &t.Name, Key: w.key.attributes(),
			ConditionExpression: cond, ExpressionAttributeNames: exprNames, ExpressionAttributeValues: values}}
	default:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &t.Name,
			Key: w.key.attributes(), ConditionExpression: cond,
			ExpressionAttributeNames: exprNames, ExpressionAttributeValues: values}}
	}
}

// Drop returns the elements whose indexes are not in failed, which is sorted.
func Drop[E any](elements []E, failed []int) []E {
	var kept []E
	for i, e := range elements {
		if _, found := slices.BinarySearch(failed, i); !found {
			kept = append(kept, e)
		}
	}
	return kept
}
