package replication

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

var now = time.Date(2026, 1, 31, 7, 0, 0, 0, time.UTC)

func ago(d time.Duration) string { return contract.Time(now.Add(-d)) }

func TestWant(t *testing.T) {
	tests := []struct {
		name string
		give view
		want string
		down bool
	}{
		{"created", view{replication: types.Replication{Status: aws.String("created")}}, startAfresh, false},
		{"ready", view{replication: types.Replication{Status: aws.String("ready")}}, startAfresh, false},
		{"provisioning", view{replication: types.Replication{Status: aws.String("provisioning_capacity")},
			record: ledger.Replication{Since: ago(time.Hour)}}, "", false},
		{"provisioning for ever", view{replication: types.Replication{Status: aws.String("provisioning_capacity")},
			record: ledger.Replication{Since: ago(3 * time.Hour)}}, "", true},
		{"running", view{replication: types.Replication{Status: aws.String("running")}, record: ledger.Replication{Since: ago(30 * time.Hour)}}, "", false},
		{"running, paused", view{replication: types.Replication{Status: aws.String("running")}, record: ledger.Replication{Paused: true}}, stop, false},
		{"starting, paused", view{replication: types.Replication{Status: aws.String("replication_starting")}, record: ledger.Replication{Paused: true}}, "", false},
		{"stopped, paused", view{replication: types.Replication{Status: aws.String("stopped")}, record: ledger.Replication{Paused: true}}, "", false},
		{"failed", view{replication: types.Replication{Status: aws.String("failed")}}, startResume, true},
		{"failed, waits", view{replication: types.Replication{Status: aws.String("failed")}, record: ledger.Replication{NextTry: ago(-time.Second)}}, "", true},
		{"failed, has waited", view{replication: types.Replication{Status: aws.String("failed")}, record: ledger.Replication{NextTry: ago(0)}}, startResume, true},
		{"stopped by hand", view{replication: types.Replication{Status: aws.String("stopped")}, loaded: true}, startResume, true},
		{"deleting", view{replication: types.Replication{Status: aws.String("deleting")}}, "", false},
		{"missing", view{replication: types.Replication{Status: aws.String(statusMissing)}}, "", true},
		{"load alone, broken off", view{mode: contract.ModeLoadOnly, replication: types.Replication{Status: aws.String("failed")}}, startReload, true},
		{"load alone, done", view{mode: contract.ModeLoadOnly, loaded: true, replication: types.Replication{Status: aws.String("stopped"),
			StopReason: aws.String("Stop Reason FULL_LOAD_ONLY_FINISHED")}}, "", false},
		{"changes alone, first start", view{mode: contract.ModeChangesOnly, loaded: true, replication: types.Replication{Status: aws.String("created")}}, startAfresh, false},
		{"changes alone, stopped", view{mode: contract.ModeChangesOnly, loaded: true, replication: types.Replication{Status: aws.String("stopped")}}, startResume, true},
	}
	for _, tt := range tests {
		v := tt.give
		v.now = now
		if v.mode == "" {
			v.mode = contract.ModeLoadAndChanges
		}
		if got := v.want(); got != tt.want {
			t.Errorf("%s: want %q, got %q", tt.name, tt.want, got)
		}
		if got := v.down(); got != tt.down {
			t.Errorf("%s: down: want %v, got %v", tt.name, tt.down, got)
		}
		if id, _ := v.failure(); (id != "") != tt.down {
			t.Errorf("%s: failure is %q", tt.name, id)
		}
	}
}

func TestFailure(t *testing.T) {
	body, err := os.ReadFile("testdata/describe_replications.json")
	if err != nil {
		t.Fatal(err)
	}
	var out dms.DescribeReplicationsOutput
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatal(err)
	}
	v := view{mode: contract.ModeLoadAndChanges, replication: out.Replications[0], now: now}
	id, message := v.failure()
	if !strings.Contains(message, "password authentication failed") {
		t.Errorf("message = %q", message)
	}
	if again, _ := v.failure(); again != id {
		t.Errorf("one failure has two ids, %s and %s", id, again)
	}
	later := now
	v.replication.ReplicationLastStopTime = &later
	if next, _ := v.failure(); next == id {
		t.Error("a second failure has the first one's id")
	}
	v.replication.FailureMessages = nil
	if _, message := v.failure(); message != "FATAL_ERROR" {
		t.Errorf("without messages the reason is %q", message)
	}
	v.replication.FailureMessages = []string{strings.Repeat("ä", 5000)}
	if _, message := v.failure(); len(message) > longestMessage+len("…") || !strings.HasSuffix(message, "ä…") {
		t.Errorf("a long message is cut to %d bytes", len(message))
	}
}

func TestWait(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 6: 32 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		if got := wait(failures); got != want {
			t.Errorf("wait(%d) = %v, want %v", failures, got, want)
		}
	}
}
