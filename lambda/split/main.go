// Command split hands the records of a replication's transaction files to the datasets of their tables.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/split"
	"github.com/strata-cdk/strata/lambda/internal/start"
)

func main() {
	vars, cfg := start.Function("split")
	store := s3.NewFromConfig(cfg)
	handler := &split.Handler{
		Bucket:    vars[contract.RawBucket],
		Prefix:    vars[contract.SourcePrefix],
		Manifests: manifest.NewLoader(store, vars),
		Ledger:    &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]},
		S3:        store,
		Metrics:   start.Metrics(vars),
		Now:       time.Now,
		Reserve:   2 * time.Minute,
	}
	lambda.Start(handler.Handle)
}
