// Command reconcile finds landed objects that the inbox does not know.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	lambdaapi "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/reconcile"
	"github.com/strata-cdk/strata/lambda/internal/start"
)

func main() {
	vars, cfg := start.Function("reconcile")
	objects := s3.NewFromConfig(cfg)
	handler := &reconcile.Handler{
		Bucket:    vars[contract.RawBucket],
		QueueURL:  vars[contract.NoticeQueueURL],
		Function:  os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
		Manifests: manifest.NewLoader(objects, vars),
		Ledger:    &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]},
		S3:        objects,
		SQS:       sqs.NewFromConfig(cfg),
		Lambda:    lambdaapi.NewFromConfig(cfg),
		Now:       time.Now, Reserve: reconcile.Reserve,
	}
	lambda.Start(handler.Handle)
}
