// Command notice records objects that landed in the raw bucket.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/notice"
	"github.com/strata-cdk/strata/lambda/internal/start"
	"github.com/strata-cdk/strata/lambda/internal/wake"
)

func main() {
	vars, cfg := start.Function("notice")
	handler := &notice.Handler{
		Bucket:    vars[contract.RawBucket],
		Manifests: manifest.NewLoader(s3.NewFromConfig(cfg), vars),
		Ledger:    &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]},
		Waker:     wake.New(sqs.NewFromConfig(cfg), vars),
		Metrics:   start.Metrics(vars),
		Now:       time.Now,
	}
	lambda.Start(handler.Handle)
}
