package replication

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

func TestMend(t *testing.T) {
	tests := []struct{ status, message, want string }{
		{statusRunning, "", ""},
		{statusMissing, "", "deploy the stack again"},
		{statusFailed, `FATAL: password authentication failed for user "dms"`, "into the secret"},
		{statusFailed, `connection failed: FATAL: role "dms" does not exist`, "into the secret"},
		{statusFailed, "the secret erp lacks password; it must hold host, port, username, password", "the secret must hold host"},
		{statusFailed, "connection to server at 10.0.0.7 failed: Connection refused", "security groups"},
		{statusFailed, "could not connect to server: timeout expired", "security groups"},
		{statusFailed, `ERROR: replication slot "dms_1" does not exist`, "raise Generation"},
		{statusFailed, `ERROR: can no longer get changes from replication slot "dms_1"`, "raise Generation"},
		{statusFailed, "ERROR: requested WAL segment 00000001000000000000000A has already been removed", "raise Generation"},
		{statusFailed, "ERROR: all replication slots are in use", "max_replication_slots"},
		{statusFailed, "logical decoding requires wal_level >= logical", "rds.logical_replication"},
		{statusFailed, "must be superuser or replication role to use replication slots", "rds_replication"},
		{statusFailed, "permission denied for table orders", "SELECT"},
		{statusFailed, "public.notes: 1 values are longer than LobMaxSize", "raise MaxLOB and Generation"},
		{statusFailed, "No tables were found at task initialization", "Datasets"},
		{statusFailed, "An error occurred (AccessDenied) when calling PutObject", "the message names it"},
		{statusFailed, "Stop Reason FATAL_ERROR Error Level FATAL", "dms-serverless-replication-strata-1-g2"},
		{statusStopped, "NORMAL", "PauseCommand"},
	}
	for _, tt := range tests {
		v := view{replication: types.Replication{Status: &tt.status}, record: ledger.Replication{Message: tt.message}}
		got := v.mend(logOf("arn:aws:dms:eu-west-1:123456789012:replication-config:strata-1-g2"))
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s %q: got %q, want %q", tt.status, tt.message, got, tt.want)
		}
	}
	now := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)
	v := view{replication: types.Replication{Status: aws.String("stopping")}, record: ledger.Replication{Since: "2026-01-31T03:00:00.000000Z"}, now: now}
	if got := v.mend("group"); !strings.Contains(got, "stopping for more than 2h") || !strings.Contains(got, "group") {
		t.Errorf("stuck: %q", got)
	}
	v.record.Paused = true
	if got := v.mend("group"); got != "" {
		t.Errorf("paused: %q", got)
	}
}

func TestMendOfTables(t *testing.T) {
	still := stateStill + ": Full load, 7 rows"
	tests := []struct {
		give map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{"a": still}, "goes on by itself"},
		{map[string]string{"a": still, "b": "Table error"}, "raise Generation"},
	}
	for _, tt := range tests {
		if got := mendTables(tt.give, "group"); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%v: got %q, want %q", tt.give, got, tt.want)
		}
	}
}
