package ledger

import "context"

// Replication is what the controller of a source's replication remembers from one tick to the next.
type Replication struct {
	Source string
	// Paused is the operator's mark: the replication is to stay stopped. PausedAt is when it was set.
	Paused   bool
	PausedAt string
	// Config is the ARN of the DMS configuration of Generation.
	Config     string
	Generation int
	// Status is DMS's, as last seen; Since is when it was first seen.
	Status, Since string
	// Failures counts starts since the replication last ran for a while; none is made before NextTry.
	Failures int
	NextTry  string
	// Failure identifies the failure people were last told of, Message says what DMS said of it.
	Failure, Message string
	// Progress is what the full loads under way have reached, ProgressAt when that was first seen.
	Progress, ProgressAt string
	// Tables are the tables that are not replicated.
	Tables []BrokenTable
	// Retired are the configurations of earlier generations that may still exist.
	Retired []Retired
	// Revision counts the writes, so that of two invocations only one changes what both have read.
	Revision int64
}

// BrokenTable is a table whose replication has stopped or never began.
type BrokenTable struct{ Table, State string }

// Retired is a configuration of an earlier generation.
type Retired struct{ Config, Since string }

// Replication reads the record of a source's replication; one that was never written is empty.
func (t *Table) Replication(ctx context.Context, source string) (Replication, error) {
	r := Replication{Source: source}
	i, err := t.get(ctx, ReplicationKey(source))
	if IsNotFound(err) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r = Replication{Source: source, Paused: i.flag("paused"), PausedAt: i.text("paused_at"), Config: i.text("config"),
		Generation: int(i.number("generation")), Status: i.text("status"), Since: i.text("since"), Failures: int(i.number("failures")),
		NextTry: i.text("next_try"), Failure: i.text("failure"), Message: i.text("message"),
		Progress: i.text("progress"), ProgressAt: i.text("progress_at"), Revision: i.number("revision")}
	for _, b := range i.maps("tables") {
		r.Tables = append(r.Tables, BrokenTable{b.text("table"), b.text("state")})
	}
	for _, o := range i.maps("retired") {
		r.Retired = append(r.Retired, Retired{o.text("config"), o.text("since")})
	}
	return r, nil
}

// PutReplication writes the record if it is still the one that was read.
func PutReplication(r Replication) Write {
	tables, retired := make([]any, len(r.Tables)), make([]any, len(r.Retired))
	for i, b := range r.Tables {
		tables[i] = map[string]any{"table": b.Table, "state": b.State}
	}
	for i, o := range r.Retired {
		retired[i] = map[string]any{"config": o.Config, "since": o.Since}
	}
	item := Values{"paused": r.Paused, "paused_at": r.PausedAt, "config": r.Config, "generation": r.Generation, "status": r.Status,
		"since": r.Since, "failures": r.Failures, "next_try": r.NextTry, "failure": r.Failure, "message": r.Message,
		"progress": r.Progress, "progress_at": r.ProgressAt,
		"tables": tables, "retired": retired, "revision": r.Revision + 1}
	if r.Revision == 0 {
		return Create(ReplicationKey(r.Source), item)
	}
	return Put(ReplicationKey(r.Source), item, "#revision = :seen", Values{"seen": r.Revision})
}
