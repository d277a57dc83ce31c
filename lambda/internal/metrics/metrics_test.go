package metrics

import (
	"bytes"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	var out bytes.Buffer
	e := &Emitter{Out: &out, Lake: "commerce", Now: func() time.Time { return time.UnixMilli(1769839200123) }}
	if err := e.Count(map[string]int64{"FailedRuns": 0}); err != nil || out.Len() > 0 {
		t.Errorf("zeros gave %q, %v", out.String(), err)
	}
	if err := e.Count(map[string]int64{"FailedBatches": 2, "BlockedBatches": 0}); err != nil {
		t.Fatal(err)
	}
	const want = `{"FailedBatches":2,"Lake":"commerce","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Lake"]],` +
		`"Metrics":[{"Name":"FailedBatches","Unit":"Count"}],"Namespace":"Strata"}],"Timestamp":1769839200123}}` + "\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}
