package catalog

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

const (
	// BatchesTable is the name of the table over the ledger's mirror.
	BatchesTable = "batches"
	// QualityResultsTable is the name of the table of what became of quality rules: one row for each batch and rule.
	QualityResultsTable = "quality_results"
	// QualityProfilesTable is the name of the table of column statistics: one row for each batch and column.
	QualityProfilesTable = "quality_profiles"
	// MaintenanceResultsTable is the name of the table of what maintenance did: one row for each run of it and table.
	MaintenanceResultsTable = "maintenance_results"
	// CorrectionsTable is the name of the table of what became of corrections of refused records: one row for each.
	CorrectionsTable = "corrections"
	// ErasuresTable is the name of the table of reports on erasures: what was removed, and what remains until when.
	ErasuresTable = "erasures"
	// ErasureObjectsTable is the name of the table of landed objects that hold records of whom was erased.
	ErasureObjectsTable = "erasure_objects"
	// ValidationResultsTable is the name of the table of what came of comparing tables with their sources: one row for each
	// validation, dataset and measure.
	ValidationResultsTable = "validation_results"
	// ValidationMismatchesTable is the name of the table of rows that differ from their source's.
	ValidationMismatchesTable = "validation_mismatches"
)

// column is a column of a table over JSON.
type column struct{ name, kind string }

// UnmarshalJSON reads a column as a pair of name and type.
func (c *column) UnmarshalJSON(b []byte) error {
	var pair [2]string
	err := json.Unmarshal(b, &pair)
	c.name, c.kind = pair[0], pair[1]
	return err
}

// batchColumns are the fields of a mirrored batch record. The record function writes them under these names.
var batchColumns = []column{
	{"batch", "string"}, {"dataset", "string"}, {"state", "string"}, {"code", "string"}, {"reason", "string"},
	{"run", "string"}, {"attempt", "int"}, {"manifest", "string"}, {"frozen_at", "string"}, {"updated_at", "string"},
	{"snapshot", "string"}, {"objects", "bigint"}, {"objects_read", "bigint"}, {"unreadable", "string"},
	{"read", "bigint"}, {"inserted", "bigint"}, {"updated", "bigint"}, {"deleted", "bigint"}, {"unchanged", "bigint"},
	{"superseded", "bigint"}, {"stale", "bigint"}, {"duplicate", "bigint"}, {"quarantined", "bigint"}, {"blocked", "bigint"},
	{"erased", "bigint"},
	{"absent", "bigint"}, {"rules_failed", "bigint"}, {"rules_warned", "bigint"},
}

// jobTables are the columns of what the jobs write; their tests hold them to the same file.
//
//go:embed job_tables.json
var jobTables []byte

func jobColumns(table string) []column {
	var all map[string][]column
	if err := json.Unmarshal(jobTables, &all); err != nil {
		panic(fmt.Errorf("job_tables.json: %w", err))
	}
	return all[table]
}

// newTables makes the tables over what the lake writes about itself, each a folder of JSON Lines.
func (o *Operations) newTables(props *OperationsProps) {
	for _, t := range []struct {
		id, name, doc, folder string
		columns               []column
	}{
		{"Batches", BatchesTable, "One row per batch, as the ledger last had it.", storage.LedgerMirror, batchColumns},
		{"QualityResults", QualityResultsTable, "One row per batch and quality rule: what was expected, what was seen, and what became of it.",
			storage.QualityResults, jobColumns(QualityResultsTable)},
		{"QualityProfiles", QualityProfilesTable, "One row per batch and column of a dataset with Profile: how its values are distributed.",
			storage.QualityProfiles, jobColumns(QualityProfilesTable)},
		{"MaintenanceResults", MaintenanceResultsTable, "One row per run of maintenance and table: files before and after, and what was removed.",
			storage.MaintenanceResults, jobColumns(MaintenanceResultsTable)},
		{"Corrections", CorrectionsTable, "One row per correction of a refused record: which record, by which file, and what became of it.",
			storage.Corrections, jobColumns(CorrectionsTable)},
		{"Erasures", ErasuresTable, "What each erasure removed from where, what it found when it looked anew, and what remains until when.",
			storage.ErasureResults, jobColumns(ErasuresTable)},
		{"ErasureObjects", ErasureObjectsTable, "One row per landed object and person erased: how many of their records it holds, and until when.",
			storage.ErasureObjects, jobColumns(ErasureObjectsTable)},
		{"ValidationResults", ValidationResultsTable, "One row per validation, dataset and measure: what the source has, what the lake has, and whether that is equal.",
			storage.ValidationResults, jobColumns(ValidationResultsTable)},
		{"ValidationMismatches", ValidationMismatchesTable, "Rows that differ from their source's, by key and column; they are kept for 30 days.",
			storage.ValidationMismatches, jobColumns(ValidationMismatchesTable)},
	} {
		columns := make([]any, len(t.columns))
		for i, c := range t.columns {
			columns[i] = &awsglue.CfnTable_ColumnProperty{Name: jsii.String(c.name), Type: jsii.String(c.kind)}
		}
		table := awsglue.NewCfnTable(o, jsii.String(t.id), &awsglue.CfnTableProps{
			CatalogId:    awscdk.Stack_Of(o).Account(),
			DatabaseName: jsii.String(props.Name),
			TableInput: &awsglue.CfnTable_TableInputProperty{
				Name: jsii.String(t.name), TableType: jsii.String("EXTERNAL_TABLE"),
				Description: jsii.String(t.doc),
				Parameters:  map[string]any{"classification": "json"},
				StorageDescriptor: &awsglue.CfnTable_StorageDescriptorProperty{
					Columns: &columns, Location: jsii.String(props.Artifacts.URI(t.folder)),
					InputFormat:  jsii.String("org.apache.hadoop.mapred.TextInputFormat"),
					OutputFormat: jsii.String("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"),
					SerdeInfo: &awsglue.CfnTable_SerdeInfoProperty{
						SerializationLibrary: jsii.String("org.openx.data.jsonserde.JsonSerDe"),
					},
				},
			},
		})
		table.ApplyRemovalPolicy(security.RemovalPolicy(o, props.AllowDeletion), nil)
		table.AddResourceDependency(o.database.Node().DefaultChild().(awsglue.CfnDatabase), nil)
	}
}
