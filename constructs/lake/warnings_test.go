package lake_test

import (
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
)

// TestWarnedRules holds that somebody is told of rules that warn, and that a lake without one pays for no alarm.
func TestWarnedRules(t *testing.T) {
	id := dataset.Column{Name: "id", Type: dataset.Bigint}
	for name, tt := range map[string]struct {
		columns []dataset.Column
		rules   dataset.Rules
		want    int
	}{
		"none":      {[]dataset.Column{id}, nil, 0},
		"others":    {[]dataset.Column{id, {Name: "n", Type: dataset.Int, Rules: dataset.Rules{dataset.AtLeast(0), dataset.AtMost(9).Block()}}}, nil, 0},
		"a column":  {[]dataset.Column{id, {Name: "n", Type: dataset.Int, Rules: dataset.Rules{dataset.AtLeast(0).Warn()}}}, nil, 1},
		"a dataset": {[]dataset.Column{id}, dataset.Rules{dataset.Satisfies("positive", "id > 0").Warn()}, 1},
	} {
		tpl := synth(t, &lake.Props{Name: "shop", Sources: lake.Sources{"Files": ingestion.FileDrop{Datasets: []dataset.Spec{
			{Domain: "sales", Name: "orders", Keys: []string{"id"}, Columns: tt.columns, Rules: tt.rules},
		}}}})
		found := 0
		for _, alarm := range tpl.Resources("AWS::CloudWatch::Alarm") {
			if alarm.Properties()["MetricName"] == "WarnedRules" {
				found++
			}
		}
		if found != tt.want {
			t.Errorf("%s: %d alarms on rules that warn, want %d", name, found, tt.want)
		}
	}
}
