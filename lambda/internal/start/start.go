// Package start is what every function does before it handles its first event.
package start

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/env"
	"github.com/strata-cdk/strata/lambda/internal/metrics"
)

// Function reads the function's environment, sets logging up and loads the SDK's configuration. A function that cannot
// start says why and ends.
func Function(function string) (env.Vars, aws.Config) {
	vars, err := env.Read(function)
	if err != nil {
		slog.Error("cannot start", "function", function, "error", err.Error())
		os.Exit(1)
	}
	env.Logging(function, vars)
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		slog.Error("cannot start", "error", err.Error())
		os.Exit(1)
	}
	return vars, cfg
}

// Metrics writes to standard output, from where Lambda hands lines to CloudWatch.
func Metrics(v env.Vars) *metrics.Emitter {
	return &metrics.Emitter{Out: os.Stdout, Lake: v[contract.Lake], Now: time.Now}
}

// NewID is a random id.
func NewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
