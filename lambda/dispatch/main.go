// Command dispatch freezes landed objects into batches and starts runs on them.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/dispatch"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/run"
	"github.com/strata-cdk/strata/lambda/internal/start"
)

func main() {
	vars, cfg := start.Function("dispatch")
	objects := s3.NewFromConfig(cfg)
	table := &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: vars[contract.LedgerTable]}
	store := &artifacts.Store{Client: objects, Bucket: vars[contract.ArtifactsBucket]}
	limits := dispatch.LimitsFrom(vars)
	handler := &dispatch.Handler{
		Lake: vars[contract.Lake], Ledger: table, Artifacts: store, Limits: limits,
		Raw: objects, RawBucket: vars[contract.RawBucket],
		Manifests:  manifest.NewLoader(objects, vars),
		Executions: dispatch.Executions{Client: sfn.NewFromConfig(cfg), StateMachine: vars[contract.StateMachineARN]},
		Settler:    &run.Settler{Ledger: table, Mirrors: store, Metrics: start.Metrics(vars), MaxAttempts: limits.MaxAttempts, Now: time.Now},
		Now:        time.Now, NewClaim: start.NewID,
	}
	lambda.Start(handler.Handle)
}
