package run

import "github.com/strata-cdk/strata/lambda/internal/ledger"

// StateOf maps a Step Functions execution status to the state of the run; over is false while it is executing.
func StateOf(status string) (state string, over bool) {
	switch status {
	case "SUCCEEDED":
		return ledger.RunSucceeded, true
	case "FAILED":
		return ledger.RunFailed, true
	case "ABORTED":
		return ledger.RunAborted, true
	case "TIMED_OUT":
		return ledger.RunTimedOut, true
	default:
		return ledger.RunRunning, false
	}
}
