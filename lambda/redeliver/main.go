// Command redeliver puts records back into their stream: those of failed deliveries, and those without a folder of their
// own.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/producer"
	"github.com/strata-cdk/strata/lambda/internal/redeliver"
	"github.com/strata-cdk/strata/lambda/internal/start"
)

func main() {
	vars, cfg := start.Function("redeliver")
	handler := &redeliver.Handler{
		Bucket:   vars[contract.RawBucket],
		Stream:   vars[contract.DeliveryStream],
		Errors:   vars[contract.ErrorsPrefix],
		Unrouted: contract.UnroutedFolder(contract.FolderOfErrors(vars[contract.ErrorsPrefix])),
		Ledger:   &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]},
		S3:       s3.NewFromConfig(cfg),
		Firehose: &producer.Producer{Client: firehose.NewFromConfig(cfg)},
		Now:      time.Now,
		Reserve:  2 * time.Minute,
	}
	lambda.Start(handler.Handle)
}
