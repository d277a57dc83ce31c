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
	// ReplicationSource is the id of the source a replication controller serves, ReplicationConfigARN its DMS
	// configuration, ReplicationGeneration the declared generation (1 to 999999), ReplicationMode one of the modes below.
	ReplicationSource     = "REPLICATION_SOURCE"
	ReplicationConfigARN  = "REPLICATION_CONFIG_ARN"
	ReplicationGeneration = "REPLICATION_GENERATION"
	ReplicationMode       = "REPLICATION_MODE"
)

// Modes of a replication, as DMS names them.
const (
	ModeLoadAndChanges = "full-load-and-cdc"
	ModeLoadOnly       = "full-load"
	ModeChangesOnly    = "cdc"
)

// Environment lists, per function, the variables it reads. Each is required.
var Environment = map[string][]string{
	"notice": {Lake, LedgerTable, ManifestBucket, ManifestKey, ManifestHash, RawBucket, WakeQueueURL, WindowSeconds},
	"dispatch": {Lake, LedgerTable, ArtifactsBucket, RawBucket, ManifestBucket, ManifestKey, ManifestHash, StateMachineARN,
		LeaseSeconds, MaxAttempts, MaxBatchObjects, MaxBatchBytes},
	"record":    {Lake, LedgerTable, ArtifactsBucket, AlarmTopicARN, WakeQueueURL, WindowSeconds, MaxAttempts},
	"reconcile": {Lake, LedgerTable, RawBucket, ManifestBucket, ManifestKey, ManifestHash, NoticeQueueURL},
	"replication": {Lake, LedgerTable, RawBucket, ManifestBucket, ManifestKey, ManifestHash, WakeQueueURL, WindowSeconds,
		ReplicationSource, ReplicationConfigARN, ReplicationGeneration, ReplicationMode},
	"transform": {Lake, RoutingVariable},
	"split":     {Lake, LedgerTable, RawBucket, ManifestBucket, ManifestKey, ManifestHash, SourcePrefix},
	"restore":   {Lake, ArtifactsBucket},
	"redeliver": {Lake, LedgerTable, RawBucket, DeliveryStream, ErrorsPrefix},
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
	// FailedRules counts quality rules that have blocked a batch, WarnedRules those that did not hold and warn.
	FailedRules = "FailedRules"
	WarnedRules = "WarnedRules"

	// UnexpectedLoads counts files of a full load that no load of a known replication wrote.
	UnexpectedLoads = "UnexpectedLoads"
	// ReplicationStopped is above zero as long as a replication that should run does not.
	ReplicationStopped = "ReplicationStopped"
	// ReplicationErrors counts failures of replications, each once; ReplicationTableErrors is above zero as long as a
	// table is suspended or missing.
	ReplicationErrors      = "ReplicationErrors"
	ReplicationTableErrors = "ReplicationTableErrors"
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
	ActionManifest  = "manifest"
	ActionRefined   = "refined"
	ActionFinish    = "finish"
	ActionFail      = "fail"
	ActionReconcile = "reconcile"
	ActionStop      = "stop"
	ActionStart     = "start"
)
