package lambdatest

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// errKilled is what a killed caller's calls end with.
var errKilled = errors.New("the caller is dead")

// gate stands between a caller and its clients. It lets a caller be killed before or after one of its mutating calls
// (every later call fails too), and lets a scheduler decide whose call is next.
type gate struct {
	// killAt is the mutating call to die at, counted from 1; 0 lives for ever.
	killAt int
	after  bool
	calls  int
	dead   bool
	turn   func()
}

func through[T any](g *gate, mutating bool, call func() (T, error)) (T, error) {
	var none T
	if g.turn != nil {
		g.turn()
	}
	if g.dead {
		return none, errKilled
	}
	if !mutating {
		return call()
	}
	g.calls++
	if g.calls == g.killAt && !g.after {
		g.dead = true
		return none, errKilled
	}
	out, err := call()
	if g.calls == g.killAt {
		g.dead = true
		return none, errKilled
	}
	return out, err
}

type gatedDynamo struct{ *gate }

func (g gatedDynamo) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return through(g.gate, false, func() (*dynamodb.GetItemOutput, error) { return dynamo.GetItem(ctx, in) })
}

func (g gatedDynamo) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return through(g.gate, false, func() (*dynamodb.BatchGetItemOutput, error) { return dynamo.BatchGetItem(ctx, in) })
}

func (g gatedDynamo) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return through(g.gate, false, func() (*dynamodb.QueryOutput, error) { return dynamo.Query(ctx, in) })
}

func (g gatedDynamo) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return through(g.gate, true, func() (*dynamodb.TransactWriteItemsOutput, error) { return dynamo.TransactWriteItems(ctx, in) })
}

type gatedS3 struct{ *gate }

func (g gatedS3) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return through(g.gate, false, func() (*s3.GetObjectOutput, error) { return objects.GetObject(ctx, in) })
}

func (g gatedS3) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return through(g.gate, true, func() (*s3.PutObjectOutput, error) { return objects.PutObject(ctx, in) })
}

type gatedStates struct {
	*gate
	machine *machine
}

func (g gatedStates) StartExecution(ctx context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	return through(g.gate, true, func() (*sfn.StartExecutionOutput, error) { return g.machine.start(in) })
}

func (g gatedStates) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	return through(g.gate, false, func() (*sfn.DescribeExecutionOutput, error) { return g.machine.describe(in) })
}

type gatedQueue struct {
	*gate
	queue *queue
}

func (g gatedQueue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	return through(g.gate, true, func() (*sqs.SendMessageOutput, error) { return g.queue.send(in) })
}

type gatedTopic struct {
	*gate
	topic *topic
}

func (g gatedTopic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	return through(g.gate, true, func() (*sns.PublishOutput, error) {
		g.topic.messages = append(g.topic.messages, in)
		return &sns.PublishOutput{}, nil
	})
}
