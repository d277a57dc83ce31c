//go:build strata_lambda_deps

// This file is never compiled. Its imports make "go mod tidy" and "go mod vendor" in an importing module keep the
// sources and checksums the handlers need, although nothing there imports them.
package gobuild

import (
	_ "github.com/strata-cdk/strata/lambda/dispatch"
	_ "github.com/strata-cdk/strata/lambda/notice"
	_ "github.com/strata-cdk/strata/lambda/reconcile"
	_ "github.com/strata-cdk/strata/lambda/record"
	_ "github.com/strata-cdk/strata/lambda/redeliver"
	_ "github.com/strata-cdk/strata/lambda/replication"
	_ "github.com/strata-cdk/strata/lambda/restore"
	_ "github.com/strata-cdk/strata/lambda/split"
	_ "github.com/strata-cdk/strata/lambda/transform"
)
