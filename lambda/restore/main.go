// Command restore asks S3 for archived objects that a replay is going to read.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/restore"
	"github.com/strata-cdk/strata/lambda/internal/start"
)

func main() {
	vars, cfg := start.Function("restore")
	objects := s3.NewFromConfig(cfg)
	handler := &restore.Handler{
		Artifacts: &artifacts.Store{Client: objects, Bucket: vars[contract.ArtifactsBucket]},
		Raw:       objects,
		Reserve:   30 * time.Second,
	}
	lambda.Start(handler.Handle)
}
