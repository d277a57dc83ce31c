package replication

import (
	"fmt"
	"strings"
)

// mends say what to do about a failure, by words of PostgreSQL and DMS in its message; the first that fit count. DMS
// documents no words, and its messages often name an internal error only: then its log says more.
var mends = []struct {
	words []string // all of them, in any order
	mend  string
}{
	{[]string{"all replication slots are in use"}, "free a replication slot of the database, or raise its max_replication_slots"},
	{[]string{"replication slot", "does not exist"}, slotGone},
	{[]string{"replication slot", "can no longer"}, slotGone},
	{[]string{"replication slot", "invalidated"}, slotGone},
	{[]string{"requested wal segment", "removed"}, slotGone},
	{[]string{"wal_level"}, "set wal_level (on RDS: rds.logical_replication) and restart the database"},
	{[]string{"replication role"}, "grant the user of the secret the right to replicate (on RDS: rds_replication)"},
	{[]string{"lobmaxsize"}, tooLong},
	{[]string{"truncat"}, tooLong},
	{[]string{"authentication failed"}, credentials},
	{[]string{"role", "does not exist"}, credentials},
	{[]string{"no pg_hba.conf entry"}, "let the user of the secret in from the replication's network, or set From.SSL as the database asks"},
	{[]string{"secret"}, "the secret must hold host, port, username and password as JSON, and the replication's role be allowed to read it"},
	{[]string{"permission denied"}, "grant the user of the secret SELECT on the declared tables"},
	{[]string{"database", "does not exist"}, "set From.Database to a database the server has"},
	{[]string{"no tables were found"}, "the database has none of the declared tables, or the user of the secret may not see them: compare Schema, Tables and Datasets with the database"},
	{[]string{"statistics", "resume"}, "DMS has taken its machines away after two days: raise Generation and deploy"},
	{[]string{"connection refused"}, unreachable},
	{[]string{"could not connect"}, unreachable},
	{[]string{"connection failed"}, unreachable},
	{[]string{"timeout"}, unreachable},
	{[]string{"timed out"}, unreachable},
	{[]string{"accessdenied"}, "one of the replication's roles lacks a right, or a policy of bucket or key refuses it: the message names it"},
}

const (
	credentials = "put the database's user name and password into the secret; it is read at the next start, which is made by itself, or at once by ResumeCommand"
	slotGone    = "changes are lost with the slot: raise Generation and deploy, which loads every table anew and deletes what is gone"
	tooLong     = "a value is longer than MaxLOB: raise MaxLOB and Generation and deploy"
	unreachable = "the database does not answer: look at the server, the host and port of the secret, security groups and routes; it is tried again by itself"
)

// mend says what to do about what v shows; empty if nothing is wrong. log is where DMS says more.
func (v view) mend(log string) string {
	switch {
	case !v.down():
		return ""
	case v.status() == statusMissing:
		return "the configuration is not there: deploy the stack again"
	case v.status() != statusFailed && v.status() != statusStopped:
		return fmt.Sprintf("it has been %s for more than %v: look at %s, then stop it, which lets it be started again", v.status(), stuck, log)
	}
	message := strings.ToLower(v.record.Message)
	for _, m := range mends {
		if fits(message, m.words) {
			return m.mend
		}
	}
	if v.status() == statusStopped {
		return "somebody has stopped it outside the lake: it is started again by itself; use PauseCommand to keep it stopped"
	}
	return "look at the end of DMS's log " + log + "; it is tried again by itself, or at once by ResumeCommand"
}

func fits(message string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(message, w) {
			return false
		}
	}
	return true
}

// mendTables says what to do about tables that are not replicated.
func mendTables(broken map[string]string, log string) string {
	still := false
	for _, state := range broken {
		if !strings.HasPrefix(state, stateStill) {
			return "mend the tables (a renamed table, a missing primary key, a value that does not fit; see " + log + "), then raise Generation and deploy"
		}
		still = true
	}
	if still {
		return "look whether the database answers and what locks the tables, and at " + log + "; the load goes on by itself"
	}
	return ""
}

// logOf is the log group of a replication, which DMS makes at its first run.
func logOf(config string) string {
	return "dms-serverless-replication-" + config[strings.LastIndexByte(config, ':')+1:]
}
