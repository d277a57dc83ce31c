// Command record writes down what runs did, and tells people what needs them.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/notify"
	"github.com/strata-cdk/strata/lambda/internal/record"
	"github.com/strata-cdk/strata/lambda/internal/run"
	"github.com/strata-cdk/strata/lambda/internal/start"
	"github.com/strata-cdk/strata/lambda/internal/wake"
)

func main() {
	vars, cfg := start.Function("record")
	table := &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]}
	store := &artifacts.Store{Client: s3.NewFromConfig(cfg), Bucket: vars[contract.ArtifactsBucket]}
	handler := &record.Handler{
		Ledger: table,
		Settler: &run.Settler{Ledger: table, Mirrors: store, Metrics: start.Metrics(vars),
			MaxAttempts: int(vars.Int(contract.MaxAttempts)), Now: time.Now},
		Topic: &notify.Topic{Client: sns.NewFromConfig(cfg), ARN: vars[contract.AlarmTopicARN], Lake: vars[contract.Lake],
			WakeQueueURL: vars[contract.WakeQueueURL]},
		Waker: wake.New(sqs.NewFromConfig(cfg), vars),
	}
	lambda.Start(handler.Handle)
}
