// Package contract holds the names and shapes that the constructs, the Lambdas, the jobs and the rehearsal share. It
// depends on the standard library only, so that constructs can import it without pulling in the handlers.
package contract

// Environment variables of the Lambdas.
const (
	// Lake is the lake's name.
	Lake = "LAKE"
	// LedgerTable is the name of the ledger's DynamoDB table.
	LedgerTable = "LEDGER_TABLE"
	// ArtifactsBucket is the name of the bucket for lists, manifests and mirrors.
	ArtifactsBucket = "ARTIFACTS_BUCKET"
	// RawBucket is the name of the bucket senders write to.
	RawBucket = "RAW_BUCKET"
	// ManifestBucket and ManifestKey locate the current manifest; ManifestHash is the SHA-256 of its bytes in hex.
	ManifestBucket = "MANIFEST_BUCKET"
	ManifestKey    = "MANIFEST_KEY"
	ManifestHash   = "MANIFEST_HASH"
	// WakeQueueURL is the FIFO queue that wakes dispatch, NoticeQueueURL the queue that feeds notice.
	WakeQueueURL   = "WAKE_QUEUE_URL"
	NoticeQueueURL = "NOTICE_QUEUE_URL"
	// StateMachineARN is the pipeline's state machine, AlarmTopicARN the topic people are told on.
	StateMachineARN = "STATE_MACHINE_ARN"
	AlarmTopicARN   = "ALARM_TOPIC_ARN"
	// LeaseSeconds is how long a lease lives without renewal, in seconds from 1.
	LeaseSeconds = "LEASE_SECONDS"
	// WindowSeconds is the length of a wake window, in seconds from 1 to 900 (the longest delay of an SQS queue).
	WindowSeconds = "WINDOW_SECONDS"
	// MaxAttempts is how many runs may take a batch on before it fails as exhausted, from 1.
	MaxAttempts = "MAX_ATTEMPTS"
	// MaxBatchObjects and MaxBatchBytes bound a batch, from 1; an object larger than MaxBatchBytes is a batch of its own.
	MaxBatchObjects = "MAX_BATCH_OBJECTS"
	MaxBatchBytes   = "MAX_BATCH_BYTES"
)

// Environment lists, per function, the variables it reads. Each is required.
var Environment = map[string][]string{
	"notice": {Lake, LedgerTable, ManifestBucket, ManifestKey, ManifestHash, RawBucket, WakeQueueURL, WindowSeconds},
	"dispatch": {Lake, LedgerTable, ArtifactsBucket, ManifestBucket, ManifestKey, ManifestHash, StateMachineARN,
		LeaseSeconds, MaxAttempts, MaxBatchObjects, MaxBatchBytes},
	"record":    {Lake, LedgerTable, ArtifactsBucket, AlarmTopicARN, WakeQueueURL, WindowSeconds, MaxAttempts},
	"reconcile": {Lake, LedgerTable, RawBucket, ManifestBucket, ManifestKey, ManifestHash, NoticeQueueURL},
}

// Metrics in the embedded metric format.
const (
	MetricNamespace = "Strata"
	// LakeDimension is the one dimension of every metric.
	LakeDimension = "Lake"

	UnroutableObjects = "UnroutableObjects"
	UnreadableObjects = "UnreadableObjects"
	FailedBatches     = "FailedBatches"
	BlockedBatches    = "BlockedBatches"
	FailedRuns        = "FailedRuns"
)

// Message group and index names.
const (
	// WakeGroup is the message group of the wake queue.
	WakeGroup = "wake"
	// ReplayGroup is the message group of an operator's replay, so that a refused one delays no wake.
	ReplayGroup = "replay"
	// DatasetIndex is the ledger's index on batch records: partition dataset, sort frozen_at.
	DatasetIndex = "by_dataset"
)

// Actions of the Lambdas' own events.
const (
	ActionDrain     = "drain"
	ActionSweep     = "sweep"
	ActionReplay    = "replay"
	ActionPublish   = "publish"
	ActionRefined   = "refined"
	ActionFinish    = "finish"
	ActionFail      = "fail"
	ActionReconcile = "reconcile"
)
