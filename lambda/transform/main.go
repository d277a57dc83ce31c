// Command transform prepares and routes the records of a delivery stream.
package main

import (
	"encoding/json"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/firehose"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/producer"
	"github.com/strata-cdk/strata/lambda/internal/start"
	"github.com/strata-cdk/strata/lambda/internal/transform"
)

func main() {
	vars, cfg := start.Function("transform")
	var routing contract.Routing
	if err := json.Unmarshal([]byte(vars[contract.RoutingVariable]), &routing); err != nil || len(routing.Datasets) == 0 {
		slog.Error("cannot start", "variable", contract.RoutingVariable, "got", vars[contract.RoutingVariable],
			"want", "a routing with at least one dataset", "error", err)
		os.Exit(1)
	}
	handler := &transform.Handler{
		Routes:      transform.NewRoutes(routing),
		Stream:      &producer.Producer{Client: firehose.NewFromConfig(cfg)},
		MaxResponse: transform.MaxResponse,
	}
	lambda.Start(handler)
}
