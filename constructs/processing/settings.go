package processing

import (
	"fmt"
	"math"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Settings tune how batches are claimed, run and retried. The zero value is the default everywhere.
type Settings struct {
	// Lease is how long a dataset stays claimed by a run that gives no sign of life; a running job renews its lease. A
	// shorter lease hands a dead run's work over sooner. Whole seconds, from 10 seconds to 12 hours.
	// Default: 15 minutes.
	Lease time.Duration
	// MaxAttempts is how often a batch is tried before it is set aside as failed, from 1 to 20. A batch that cannot be
	// read or that its gate blocks is set aside at once.
	// Default: 3.
	MaxAttempts int
	// MaxBatchObjects is the largest number of objects in one batch, from 1 to 10,000. More pending objects become
	// further batches of the same run.
	// Default: 1000.
	MaxBatchObjects int
	// MaxBatchBytes is the size at which a batch is closed, in bytes as landed, from 1 MiB to 1 TiB. A batch holds at
	// least one object, however large that is.
	// Default: 10 GiB.
	MaxBatchBytes int64
	// Workers is the number of workers of one job run, the driver included, from 2 to 299. A DPU-hour costs about 0.44 USD
	// (list price, us-east-1), billed by the second.
	// Default: 2.
	Workers int
	// WorkerType is the size of each worker. A batch that fails for "No space left on device" wants one with more disk,
	// more Workers, or a smaller MaxBatchBytes: what is shuffled and cached of a batch lies on the workers' disks.
	// Default: G1X.
	WorkerType WorkerType
	// MaxConcurrentRuns is how many runs of each job may work at once, from 1 to 1000; further ones wait and retry. Runs
	// work on different datasets.
	// Default: 10.
	MaxConcurrentRuns int
	// JobTimeout ends a job run that hangs; its batches are tried again. Whole minutes, from 5 minutes to 7 days.
	// Default: 2 hours.
	JobTimeout time.Duration
	// SweepEvery is the time between two sweeps, which resume what an interrupted claim or a dead run left. Whole
	// minutes, from 1 minute to 1 day. Each sweep is one short invocation.
	// Default: 15 minutes.
	SweepEvery time.Duration
	// MaintainEvery is the time between two runs of maintenance, which compacts tables and removes what of their past
	// nobody needs. Whole minutes, from 1 hour to 7 days. A run bills one job for as long as its tables take, a minute at
	// least: some 0.015 USD a day for a small lake (list price, us-east-1).
	// Default: 1 day.
	MaintainEvery time.Duration
}

const (
	defaultLease             = 15 * time.Minute
	defaultMaxAttempts       = 3
	defaultMaxBatchObjects   = 1000
	defaultMaxBatchBytes     = 10 << 30
	defaultWorkers           = 2
	defaultMaxConcurrentRuns = 10
	defaultJobTimeout        = 2 * time.Hour
	defaultSweepEvery        = 15 * time.Minute
	defaultMaintainEvery     = 24 * time.Hour
)

// Validate reports every setting that is out of range. Zero stands for the default.
func (s Settings) Validate() error {
	var l check.List
	span(&l, "Lease", s.Lease, time.Second, 10*time.Second, 12*time.Hour)
	number(&l, "MaxAttempts", int64(s.MaxAttempts), 1, 20)
	number(&l, "MaxBatchObjects", int64(s.MaxBatchObjects), 1, 10_000)
	number(&l, "MaxBatchBytes", s.MaxBatchBytes, 1<<20, 1<<40)
	number(&l, "Workers", int64(s.Workers), 2, 299)
	s.WorkerType.check(&l, "WorkerType")
	number(&l, "MaxConcurrentRuns", int64(s.MaxConcurrentRuns), 1, 1000)
	span(&l, "JobTimeout", s.JobTimeout, time.Minute, 5*time.Minute, 7*24*time.Hour)
	span(&l, "SweepEvery", s.SweepEvery, time.Minute, time.Minute, 24*time.Hour)
	span(&l, "MaintainEvery", s.MaintainEvery, time.Minute, time.Hour, 7*24*time.Hour)
	return l.Err()
}

func (s Settings) withDefaults() Settings {
	orDefault(&s.Lease, defaultLease)
	orDefault(&s.MaxAttempts, defaultMaxAttempts)
	orDefault(&s.MaxBatchObjects, defaultMaxBatchObjects)
	orDefault(&s.MaxBatchBytes, defaultMaxBatchBytes)
	orDefault(&s.Workers, defaultWorkers)
	orDefault(&s.WorkerType, G1X)
	orDefault(&s.MaxConcurrentRuns, defaultMaxConcurrentRuns)
	orDefault(&s.JobTimeout, defaultJobTimeout)
	orDefault(&s.SweepEvery, defaultSweepEvery)
	orDefault(&s.MaintainEvery, defaultMaintainEvery)
	return s
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func number(l *check.List, path string, got, low, high int64) {
	if got != 0 && (got < low || got > high) {
		l.Add(path, "is out of range", got, fmt.Sprintf("%d to %d, or 0 for the default", low, high))
	}
}

func span(l *check.List, path string, got, unit, low, high time.Duration) {
	if got != 0 && (got < low || got > high || got%unit != 0) {
		l.Add(path, "is out of range", got, fmt.Sprintf("multiples of %v from %v to %v, or 0 for the default", unit, low, high))
	}
}

const (
	shortestWindow = 5 * time.Second
	longestWindow  = 15 * time.Minute
	defaultWindow  = time.Minute
)

// Window is how long arrivals are gathered before one wake-up is sent for all of them:
//
//	clamp(tightest freshness / 4, 5 s, 15 min), in whole seconds; 60 s without any promise
//
// A quarter leaves the rest of the promise to the claim and the job; 15 minutes is the longest delay SQS offers. Zero
// durations promise nothing and are skipped.
func Window(freshness ...time.Duration) time.Duration {
	tightest := time.Duration(math.MaxInt64)
	for _, f := range freshness {
		if f > 0 {
			tightest = min(tightest, f)
		}
	}
	if tightest == math.MaxInt64 {
		return defaultWindow
	}
	return min(max(tightest/4, shortestWindow), longestWindow).Truncate(time.Second)
}
