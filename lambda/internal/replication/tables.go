package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// table is a replicated table of the current generation.
type table struct {
	dataset string
	// name is <schema>.<table>, prefix where its files land.
	name, prefix string
	load         ledger.Load
	known        bool
	stats        *types.TableStatistics
}

// States of a table, as DMS names them.
const tableCompleted = "Table completed"

// brokenStates are those of a table that is not replicated and will not be by itself.
var brokenStates = map[string]bool{"Table error": true, "Table cancelled": true, "Table does not exist": true}

// States that are none of DMS's: the replication does not list the table, or loads it without getting on.
const (
	stateMissing = "Table not found in the source"
	stateStill   = "Load stands still"
)

// still is how long a full load may make no progress. DMS retries without end where the database is gone, and is running
// all the while; the longest pause it makes between two tries is half an hour.
const still = 40 * time.Minute

// tablesOf are the tables a source delivers in a generation. A landing ends in <schema>/<table>/.
func tablesOf(m *dataset.Manifest, source string, generation int) ([]*table, error) {
	var tables []*table
	for _, at := range m.Landing {
		if at.Source != source || at.Generation == nil || *at.Generation != generation {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(at.Prefix, "/"), "/")
		if len(parts) < 3 {
			return nil, fmt.Errorf("landing %s of source %s: it does not end in <schema>/<table>/", at.Prefix, source)
		}
		tables = append(tables, &table{dataset: at.Dataset, name: strings.Join(parts[len(parts)-2:], "."), prefix: at.Prefix})
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("the manifest has no landing of source %s in generation %d: deploy the stack again", source, generation)
	}
	return tables, nil
}

// tables are the declared tables with what ledger and DMS know of them.
func (h *Handler) tables(ctx context.Context) ([]*table, error) {
	loaded, err := h.Manifests.Load(ctx)
	if err != nil {
		return nil, err
	}
	tables, err := tablesOf(loaded.Manifest, h.Source, h.Generation)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		loads, err := h.Ledger.Loads(ctx, t.dataset)
		if err != nil {
			return nil, fmt.Errorf("read the loads of %s: %w", t.dataset, err)
		}
		t.load, t.known = loads[h.Generation]
	}
	stats, err := h.statistics(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if s, ok := stats[t.name]; ok {
			t.stats = &s
		}
	}
	return tables, nil
}

// statistics are DMS's, by <schema>.<table>. A replication that never ran has none.
func (h *Handler) statistics(ctx context.Context) (map[string]types.TableStatistics, error) {
	stats := map[string]types.TableStatistics{}
	in := &dms.DescribeReplicationTableStatisticsInput{ReplicationConfigArn: &h.Config}
	for {
		out, err := h.DMS.DescribeReplicationTableStatistics(ctx, in)
		var missing *types.ResourceNotFoundFault
		var state *types.InvalidResourceStateFault
		if errors.As(err, &missing) || errors.As(err, &state) {
			return stats, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the table statistics of %s: %w", h.Config, err)
		}
		for _, s := range out.ReplicationTableStatistics {
			stats[aws.ToString(s.SchemaName)+"."+aws.ToString(s.TableName)] = s
		}
		if aws.ToString(out.Marker) == "" {
			return stats, nil
		}
		in.Marker = out.Marker
	}
}

// describe returns a replication; found is false if there is none.
func (h *Handler) describe(ctx context.Context, config string) (r types.Replication, found bool, err error) {
	out, err := h.DMS.DescribeReplications(ctx, &dms.DescribeReplicationsInput{
		Filters: []types.Filter{{Name: aws.String("replication-config-arn"), Values: []string{config}}}})
	var missing *types.ResourceNotFoundFault
	if errors.As(err, &missing) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("describe replication %s: %w", config, err)
	}
	for _, r := range out.Replications {
		if aws.ToString(r.ReplicationConfigArn) == config {
			return r, true, nil
		}
	}
	return r, false, nil
}

// broken are the tables that are not replicated. That a table is not listed counts only once the replication has run for
// a while, since it lists tables as it finds them. unmoved is how long the loads under way have made no progress.
func broken(tables []*table, running, unmoved time.Duration) []ledger.BrokenTable {
	var out []ledger.BrokenTable
	for _, t := range tables {
		switch {
		case t.stats == nil && running >= settled:
			out = append(out, ledger.BrokenTable{Table: t.name, State: stateMissing})
		case t.stats != nil && brokenStates[aws.ToString(t.stats.TableState)]:
			out = append(out, ledger.BrokenTable{Table: t.name, State: aws.ToString(t.stats.TableState)})
		case t.underWay() && unmoved >= still:
			out = append(out, ledger.BrokenTable{Table: t.name, State: fmt.Sprintf("%s: %s, %d rows", stateStill, aws.ToString(t.stats.TableState), t.stats.FullLoadRows)})
		}
	}
	return out
}

// underWay tells whether the table's load has begun and is not over.
func (t *table) underWay() bool {
	return t.stats != nil && t.load.Snapshot && t.load.State != ledger.LoadComplete && aws.ToString(t.stats.TableState) != tableCompleted
}

// progress is what the loads under way have reached; empty if there are none.
func progress(status string, tables []*table) string {
	if status != statusRunning {
		return ""
	}
	var reached []string
	for _, t := range tables {
		if t.underWay() {
			reached = append(reached, fmt.Sprintf("%s %s %d", t.name, aws.ToString(t.stats.TableState), t.stats.FullLoadRows))
		}
	}
	return cut(strings.Join(reached, "; "))
}
