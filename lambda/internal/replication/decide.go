package replication

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Statuses of a serverless replication that decide something. All others are on the way from one to another.
const (
	statusCreated = "created"
	statusReady   = "ready"
	statusRunning = "running"
	statusStopped = "stopped"
	statusFailed  = "failed"
	// statusMissing is no status of DMS: there is no such replication.
	statusMissing = "missing"
)

// Kinds of a start, as DMS names them.
const (
	startAfresh = "start-replication"
	startResume = "resume-processing"
	startReload = "reload-target"
	stop        = "stop"
)

// view is what a decision depends on.
type view struct {
	mode        string
	replication types.Replication
	record      ledger.Replication
	// loaded says that every table's load is complete.
	loaded bool
	// asked is the action of the request.
	asked string
	now   time.Time
}

func (v view) status() string { return aws.ToString(v.replication.Status) }

// idle tells whether the replication does nothing and will not by itself.
func (v view) idle() bool {
	return slices.Contains([]string{statusCreated, statusReady, statusStopped, statusFailed}, v.status())
}

// finished tells whether there is nothing left to replicate.
func (v view) finished() bool { return v.mode == contract.ModeLoadOnly && v.loaded }

// down tells whether the replication ought to run, has run, and does not.
func (v view) down() bool {
	if v.record.Paused || v.finished() {
		return false
	}
	switch v.status() {
	case statusStopped, statusFailed, statusMissing:
		return true
	case statusRunning:
		return false
	}
	return v.record.Since != "" && v.record.Since <= contract.Time(v.now.Add(-stuck))
}

// want is what to ask of DMS now, empty for nothing.
func (v view) want() string {
	switch {
	case v.record.Paused && v.status() == statusRunning:
		return stop
	case v.record.Paused, v.finished(), !v.idle():
		return ""
	case v.record.NextTry > contract.Time(v.now):
		return ""
	}
	return v.startType()
}

// startType is the kind of start that loads nothing twice. DMS takes start-replication for the first run and for no other;
// a load alone cannot be resumed.
func (v view) startType() string {
	switch {
	case v.status() == statusCreated || v.status() == statusReady:
		return startAfresh
	case v.mode == contract.ModeLoadOnly:
		return startReload
	}
	return startResume
}

// otherStart is what to ask if DMS says that a kind of start is not for this replication: one that failed before its first
// run began may count as started or not.
func (v view) otherStart(did string) string {
	if did == startAfresh {
		if v.mode == contract.ModeLoadOnly {
			return startReload
		}
		return startResume
	}
	return startAfresh
}

// failure identifies what has gone wrong, so that people are told of each failure once; empty if nothing has.
func (v view) failure() (id, message string) {
	if !v.down() {
		return "", ""
	}
	r := v.replication
	reason := strings.TrimPrefix(aws.ToString(r.StopReason), "Stop Reason ")
	message = strings.Join(r.FailureMessages, "; ")
	if message == "" {
		message = reason
	}
	var at string
	if r.ReplicationLastStopTime != nil {
		at = contract.Time(*r.ReplicationLastStopTime)
	}
	return strings.Join([]string{aws.ToString(r.ReplicationConfigArn), v.status(), reason, at}, "|"), cut(message)
}

// longestMessage keeps a failure within what a ledger record should hold, in bytes.
const longestMessage = 4000

func cut(s string) string {
	if len(s) <= longestMessage {
		return s
	}
	return strings.ToValidUTF8(s[:longestMessage], "") + "…"
}

// stuck is how long a replication may take to start; DMS needs the better part of an hour.
const stuck = 2 * time.Hour

// Waits between two starts double from shortestWait to longestWait; a replication that has run for settled has recovered.
const (
	shortestWait = time.Minute
	longestWait  = time.Hour
	settled      = 10 * time.Minute
)

func wait(failures int) time.Duration {
	return min(longestWait, shortestWait<<min(failures-1, 6))
}
