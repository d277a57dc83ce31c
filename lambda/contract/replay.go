package contract

// Actions of the state machine that carries a replay to its end: dispatch begins it and carries it on, restore asks S3 for
// what is archived.
const (
	ActionBegin   = "begin"
	ActionAdvance = "advance"
	ActionRestore = "restore"
)

// States of a replay, as begin, advance and restore answer them.
const (
	ReplayPlanned   = "planned"
	ReplayRestoring = "restoring"
	ReplayOpening   = "opening"
	ReplayRunning   = "running"
	ReplaySucceeded = "succeeded"
	ReplayFailed    = "failed"
)

// ReplayPlan is what a replay works on, in the artifacts bucket. It never changes. Replay and StartedAt are the name and
// the start of the execution: Step Functions lets a name be used again after 90 days.
type ReplayPlan struct {
	SchemaVersion int             `json:"schema_version"`
	Replay        string          `json:"replay"`
	StartedAt     string          `json:"started_at"`
	Batches       []PlannedBatch  `json:"batches"`
	Corrections   *CorrectionFile `json:"corrections"`
	Restore       *Restore        `json:"restore"`
}

// PlannedBatch is a batch that the replay opens again or, with Objects, whose unreadable objects become pending again.
// State is the state it had.
type PlannedBatch struct {
	Batch   string     `json:"batch"`
	Dataset string     `json:"dataset"`
	State   string     `json:"state"`
	Objects []ObjectID `json:"objects,omitempty"`
}

// CorrectionFile is a file of corrections, by version.
type CorrectionFile struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Version string `json:"version"`
}

// Restore says how archived objects are fetched: the retrieval tier of S3 Glacier, and for how many days the copies stay.
type Restore struct {
	Tier string `json:"tier"`
	Days int    `json:"days"`
}

// Bounds of a replay that is carried to its end.
const (
	MaxReplayBatches = 5000
	MaxReplayObjects = 20000
	MaxRestoreDays   = 365
)

// ReplayKey is the key of a replay's plan in the artifacts bucket.
func ReplayKey(replay string) string { return "replays/" + replay + ".json" }
