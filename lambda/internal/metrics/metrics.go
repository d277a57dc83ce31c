// Package metrics writes CloudWatch's embedded metric format: a line on standard output is a metric without a call.
package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Emitter writes metrics of one lake.
type Emitter struct {
	Out  io.Writer
	Lake string
	Now  func() time.Time
}

// Count writes the counts that are not zero as one record.
func (e *Emitter) Count(counts map[string]int64) error {
	type metric struct{ Name, Unit string }
	var list []metric
	record := map[string]any{contract.LakeDimension: e.Lake}
	for name, n := range counts {
		if n != 0 {
			list = append(list, metric{name, "Count"})
			record[name] = n
		}
	}
	if len(list) == 0 {
		return nil
	}
	record["_aws"] = map[string]any{
		"Timestamp": e.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": contract.MetricNamespace, "Dimensions": [][]string{{contract.LakeDimension}}, "Metrics": list,
		}},
	}
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("render metrics: %w", err)
	}
	if _, err := fmt.Fprintf(e.Out, "%s\n", line); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}
