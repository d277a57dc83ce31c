// Command replication starts, resumes and watches the replication of one source.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/replication"
	"github.com/strata-cdk/strata/lambda/internal/start"
	"github.com/strata-cdk/strata/lambda/internal/wake"
)

func main() {
	vars, cfg := start.Function("replication")
	objects := s3.NewFromConfig(cfg)
	handler := &replication.Handler{
		Source: vars[contract.ReplicationSource], Config: vars[contract.ReplicationConfigARN], Mode: vars[contract.ReplicationMode],
		Generation: int(vars.Int(contract.ReplicationGeneration)), Bucket: vars[contract.RawBucket],
		Manifests: manifest.NewLoader(objects, vars),
		Ledger:    &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]},
		DMS:       dms.NewFromConfig(cfg), S3: objects, Waker: wake.New(sqs.NewFromConfig(cfg), vars),
		Metrics: start.Metrics(vars), Now: time.Now,
	}
	lambda.Start(handler.Handle)
}
