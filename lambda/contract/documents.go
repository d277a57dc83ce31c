package contract

// BatchList is the frozen list of a batch, in the artifacts bucket.
type BatchList struct {
	SchemaVersion int      `json:"schema_version"`
	Batch         string   `json:"batch"`
	Lake          string   `json:"lake"`
	Dataset       string   `json:"dataset"`
	Objects       []Object `json:"objects"`
	// Load says that the objects are the whole full load of a generation; nil for any other batch.
	Load *BatchLoad `json:"load"`
}

// BatchLoad names the full load that a batch holds.
type BatchLoad struct {
	Generation int `json:"generation"`
}

// Object is a landed file version as a list holds it. Size is in bytes.
type Object struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	Version   string `json:"version"`
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	NoticedAt string `json:"noticed_at"`
}

// RunList is what a run works on, in the artifacts bucket.
type RunList struct {
	SchemaVersion int        `json:"schema_version"`
	Run           string     `json:"run"`
	Attempt       int        `json:"attempt"`
	Manifest      string     `json:"manifest"`
	Batches       []RunBatch `json:"batches"`
}

// RunBatch is a batch of a run: Manifest is the hash it pinned, Token the fencing token of its dataset's lease.
type RunBatch struct {
	Batch    string `json:"batch"`
	Dataset  string `json:"dataset"`
	ListURI  string `json:"list_uri"`
	Manifest string `json:"manifest"`
	Token    int64  `json:"token"`
	Force    bool   `json:"force"`
}

// ExecutionInput is the state machine's input. StartedAt tells the run from one of the same name before the ledger was
// restored to an earlier time: Step Functions keeps names for 90 days.
type ExecutionInput struct {
	Run       string `json:"run"`
	Attempt   int    `json:"attempt"`
	RunURI    string `json:"run_uri"`
	StartedAt string `json:"started_at"`
}

// Mirror is the flat batch record that Athena reads. Unreadable is the JSON text of the ledger's list, or empty.
type Mirror struct {
	Batch       string `json:"batch"`
	Dataset     string `json:"dataset"`
	State       string `json:"state"`
	Code        string `json:"code"`
	Reason      string `json:"reason"`
	Run         string `json:"run"`
	Attempt     int    `json:"attempt"`
	Manifest    string `json:"manifest"`
	FrozenAt    string `json:"frozen_at"`
	UpdatedAt   string `json:"updated_at"`
	Snapshot    string `json:"snapshot"`
	Objects     int64  `json:"objects"`
	ObjectsRead int64  `json:"objects_read"`
	Unreadable  string `json:"unreadable"`
	Read        int64  `json:"read"`
	Inserted    int64  `json:"inserted"`
	Updated     int64  `json:"updated"`
	Deleted     int64  `json:"deleted"`
	Unchanged   int64  `json:"unchanged"`
	Superseded  int64  `json:"superseded"`
	Stale       int64  `json:"stale"`
	Duplicate   int64  `json:"duplicate"`
	Quarantined int64  `json:"quarantined"`
	Blocked     int64  `json:"blocked"`
	Erased      int64  `json:"erased"`
	// Absent rows went because a full load did not have them; they stand beside the others, which count rows that were read.
	Absent int64 `json:"absent"`
	// RulesFailed and RulesWarned are quality rules that did not hold, by their policy: block and warn.
	RulesFailed int64 `json:"rules_failed"`
	RulesWarned int64 `json:"rules_warned"`
}
