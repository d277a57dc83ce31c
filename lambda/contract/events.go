package contract

// Sources of Object Created events.
const (
	SourceS3        = "aws.s3"
	SourceReconcile = "strata.reconcile"
	ObjectCreated   = "Object Created"
)

// ObjectEvent is EventBridge's Object Created event, as S3 sends it and as reconcile imitates it.
type ObjectEvent struct {
	Version    string       `json:"version"`
	ID         string       `json:"id"`
	DetailType string       `json:"detail-type"`
	Source     string       `json:"source"`
	Account    string       `json:"account"`
	Time       string       `json:"time"`
	Region     string       `json:"region"`
	Resources  []string     `json:"resources"`
	Detail     ObjectDetail `json:"detail"`
}

// ObjectDetail is the detail of an ObjectEvent.
type ObjectDetail struct {
	Version string      `json:"version"`
	Bucket  EventBucket `json:"bucket"`
	Object  EventObject `json:"object"`
	Reason  string      `json:"reason,omitempty"`
}

// EventBucket names the bucket.
type EventBucket struct {
	Name string `json:"name"`
}

// EventObject names the object. The key is as stored, not URL-encoded. VersionID is absent where the bucket has no
// versioning.
type EventObject struct {
	Key       string `json:"key"`
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	VersionID string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer,omitempty"`
}

// ExecutionEvent is EventBridge's Step Functions Execution Status Change event.
type ExecutionEvent struct {
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Time       string          `json:"time"`
	Detail     ExecutionDetail `json:"detail"`
}

// ExecutionStatusChange is the detail type of an ExecutionEvent.
const ExecutionStatusChange = "Step Functions Execution Status Change"

// ExecutionDetail is the detail of an ExecutionEvent. Error and Cause are absent unless the execution failed.
type ExecutionDetail struct {
	ExecutionARN    string `json:"executionArn"`
	StateMachineARN string `json:"stateMachineArn"`
	Name            string `json:"name"`
	Status          string `json:"status"`
	Input           string `json:"input"`
	Error           string `json:"error"`
	Cause           string `json:"cause"`
}
