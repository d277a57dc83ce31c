package dataset

import (
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// DMSCSV is CSV with a header line as a DMS task of your own writes it to S3: endpoint settings AddColumnName and
// IncludeOpForFullLoad, a transformation that adds the column AR_H_CHANGE_SEQ ($AR_H_CHANGE_SEQ), and
// add-before-image-columns for the key with the prefix BI_. For CDC datasets that come by a FileDrop; a Replication of the
// lake writes DMS.
//
// Changes are ordered by AR_H_CHANGE_SEQ alone, and an object without that column is unreadable. Files named LOAD and 8
// digits are the load: nothing waits for them, since whatever changed has a higher place. A table loaded again keeps rows
// that the source no longer has; only a Replication, which knows when a load is complete, deletes them.
type DMSCSV struct {
	// Delimiter separates fields, as of CSV.
	// Default: a comma.
	Delimiter string
	// NullValue is the unquoted field that means NULL: the endpoint's CsvNullValue.
	// Default: NULL, as of DMS. A text of that content cannot be told from it; choose one that data does not hold.
	NullValue string
}

// DMSJSON is JSON Lines of the messages that a DMS task writes to Kinesis or Kafka (message format JSON_UNFORMATTED), as
// Firehose and other consumers deliver them: {"data": …, "metadata": …}, with the key before an update in "before-image"
// (BeforeImageSettings with that FieldName). For CDC datasets that come by a FileDrop or a Stream. Each is on a line of its own: a
// Firehose of yours that reads the Kinesis stream and writes into a FileDrop's folder joins messages, which are then malformed,
// unless its processor AppendDelimiterToRecord separates them.
//
// Changes are ordered by the member AR_H_CHANGE_SEQ of data, which a transformation of the task adds
// ($AR_H_CHANGE_SEQ); a change without it is quarantined. What metadata tells gives no order: transaction ids are not in the
// order of commits, the form of stream-position depends on the engine, and timestamps are shared. Messages of the load have
// the lowest place. Control messages are no records.
type DMSJSON struct {
	// Table is the table whose changes these are, as metadata names it: "<schema-name>.<table-name>". Messages of
	// another table are quarantined. Required.
	Table string
}

const (
	kindDMSCSV  = "dms_csv"
	kindDMSJSON = "dms_json"
	dmsNull     = "NULL"
)

func (d DMSCSV) render() FileFormat {
	if d.NullValue == "" {
		d.NullValue = dmsNull
	}
	f := CSV{Delimiter: d.Delimiter, NullValue: d.NullValue}.render()
	f.Kind = kindDMSCSV
	return f
}

func (d DMSJSON) render() FileFormat { return FileFormat{Kind: kindDMSJSON, Table: &d.Table} }

func (d DMSJSON) check(l *check.List) {
	const allowed = "<schema>.<table>, as the messages' metadata name them"
	schema, table, ok := strings.Cut(d.Table, ".")
	switch {
	case check.Unresolved(d.Table):
		l.Add("Format.Table", "is known only at deployment, but the manifest is written at synth", d.Table, "a literal value")
	case !ok || schema == "" || table == "":
		l.Add("Format.Table", "names no table", d.Table, allowed)
	default:
		checkText(l, "Format.Table", d.Table, columnCommentLimit, false)
	}
}

// Gated tells whether a replication of the lake's own delivers the dataset, which says when a load is complete. The
// objects of every other dataset wait for none.
func (e *Entry) Gated() bool {
	return e.Load == CDC && e.Format.Kind != kindDMSCSV && e.Format.Kind != kindDMSJSON
}
