package ingestion

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// mappingRule is a rule of DMS's table mappings; ids are texts and unique.
type mappingRule struct {
	Type    string  `json:"rule-type"`
	ID      string  `json:"rule-id"`
	Name    string  `json:"rule-name"`
	Action  string  `json:"rule-action"`
	Locator locator `json:"object-locator"`

	Target      string       `json:"rule-target,omitempty"`
	Value       string       `json:"value,omitempty"`
	Expression  string       `json:"expression,omitempty"`
	DataType    *dataType    `json:"data-type,omitempty"`
	BeforeImage *beforeImage `json:"before-image-def,omitempty"`
}

type locator struct {
	Schema string `json:"schema-name"`
	Table  string `json:"table-name"`
}

type dataType struct {
	Type   string `json:"type"`
	Length int    `json:"length"`
}

type beforeImage struct {
	Prefix string `json:"column-prefix"`
	Suffix string `json:"column-suffix"`
	Filter string `json:"column-filter"`
}

const (
	// changeSequence is DMS's number of a change: 35 digits, empty on a full load.
	changeSequence       = "AR_H_CHANGE_SEQ"
	changeSequenceLength = 35
	beforeImagePrefix    = "BI_"
)

// everyTable is a pattern for all tables that are selected. A rule for each of them would not do: in these locators an
// underscore stands for any character, so that a rule could hit a second table.
const everyTable = "%"

// mappings select each table by its name, number its changes, and keep the key a changed row had before.
func (r Replication) mappings() any {
	var rules []mappingRule
	add := func(rule mappingRule, table string) {
		rule.ID = strconv.Itoa(len(rules) + 1)
		rule.Name = fmt.Sprintf("%s-%s", rule.Action, rule.ID)
		rule.Locator = locator{r.schema(), table}
		rules = append(rules, rule)
	}
	for _, s := range r.Datasets {
		add(mappingRule{Type: "selection", Action: "explicit"}, r.table(s))
	}
	add(mappingRule{Type: "transformation", Action: "add-column", Target: "column", Value: changeSequence,
		Expression: "$" + changeSequence, DataType: &dataType{"string", changeSequenceLength}}, everyTable)
	add(mappingRule{Type: "transformation", Action: "add-before-image-columns", Target: "column",
		BeforeImage: &beforeImage{Prefix: beforeImagePrefix, Filter: "pk-only"}}, everyTable)
	return plain(map[string]any{"rules": rules})
}

// replicationSettings are the settings of DMS that differ from its defaults, or whose default must hold.
type replicationSettings struct {
	TargetMetadata   targetMetadata
	FullLoadSettings fullLoad
	// A table that is dropped or truncated in the database keeps its files: the raw zone is never changed.
	ChangeProcessingDdlHandlingPolicy ddlHandling
	ErrorBehavior                     errorBehavior
	Logging                           loggingSettings
	ControlTablesSettings             controlTables
}

type targetMetadata struct {
	SupportLobs, FullLobMode, LimitedSizeLobMode bool
	LobMaxSize                                   int
}

type fullLoad struct {
	TargetTablePrepMode                                           string
	StopTaskCachedChangesApplied, StopTaskCachedChangesNotApplied bool
}

type ddlHandling struct {
	HandleSourceTableDropped, HandleSourceTableTruncated, HandleSourceTableAltered bool
}

// errorBehavior suspends a table where DMS would skip a record and say so in a log only. The controller tells of suspended
// tables. Of values that would be cut the endpoint takes care.
type errorBehavior struct {
	DataErrorPolicy, TableErrorPolicy string
	FailOnNoTablesCaptured            bool
}

type loggingSettings struct{ EnableLogging bool }

// controlTables of DMS would be written as files beside the tables.
type controlTables struct {
	StatusTableEnabled          bool `json:"StatusTableEnabled"`
	SuspendedTablesTableEnabled bool `json:"SuspendedTablesTableEnabled"`
	HistoryTableEnabled         bool `json:"HistoryTableEnabled"`
}

const suspendTable = "SUSPEND_TABLE"

func (r Replication) settings() any {
	return plain(replicationSettings{
		TargetMetadata:                    targetMetadata{SupportLobs: true, LimitedSizeLobMode: true, LobMaxSize: or(r.MaxLOB, defaultMaxLOB)},
		FullLoadSettings:                  fullLoad{TargetTablePrepMode: "DO_NOTHING"},
		ChangeProcessingDdlHandlingPolicy: ddlHandling{HandleSourceTableAltered: true},
		ErrorBehavior:                     errorBehavior{DataErrorPolicy: suspendTable, TableErrorPolicy: suspendTable, FailOnNoTablesCaptured: true},
		Logging:                           loggingSettings{EnableLogging: true},
	})
}

// plain turns a value into maps, lists and scalars, as the CDK takes it for a property of type JSON.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("ingestion: %w", err)) // none of the values can fail to render
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		panic(fmt.Errorf("ingestion: %w", err))
	}
	return out
}
