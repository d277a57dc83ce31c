package dataset

// Format is the layout of landed files: CSV, Parquet or JSON; for CDC DMS, DMSCSV or DMSJSON. An object of CSV or JSON whose key ends in .gz is read
// as gzip.
type Format interface{ render() FileFormat }

// CSV is delimited text in UTF-8, one record per line; fields may be quoted with ", doubled inside. A line break inside
// a quoted field is not built: such a record is quarantined as malformed. The zero value reads a header line, commas,
// and takes the empty unquoted field for NULL.
type CSV struct {
	// NoHeader says that the first line is data: fields are then taken in the order of Columns.
	// Default: false, the first line of each object names its columns, in any order.
	NoHeader bool
	// Delimiter separates fields: a tab or one printable ASCII character that is no letter, digit, blank, quote or
	// backslash.
	// Default: a comma.
	Delimiter string
	// NullValue is the unquoted field that means NULL.
	// Default: the empty field.
	NullValue string
}

func (c CSV) render() FileFormat {
	header, delimiter, null := !c.NoHeader, c.Delimiter, c.NullValue
	if delimiter == "" {
		delimiter = ","
	}
	return FileFormat{Kind: "csv", Header: &header, Delimiter: &delimiter, NullValue: &null}
}

// Parquet is Apache Parquet; columns are found by name.
type Parquet struct{}

func (Parquet) render() FileFormat { return FileFormat{Kind: "parquet"} }

// JSON is JSON Lines in UTF-8: one object per line. Its members are found by name, exactly; a missing one is NULL, and
// members that no column declares stay in raw and are reported. Numbers keep every digit. A line that is no object, or
// names a member twice, is quarantined as malformed. An object or array in a column of type String is stored as its
// text, without spaces.
type JSON struct {
	// RouteBy is the top-level field in which every record names its dataset as <domain>.<name>, exactly and with its
	// case; a record that names another, or none, is quarantined with the reason route:<RouteBy>. No column has to declare
	// the field. [A-Za-z_][A-Za-z0-9_.-]{0,62}.
	// Default: records name no dataset. In an ingestion.Stream, the RouteBy of the stream.
	RouteBy string
}

func (j JSON) render() FileFormat {
	f := FileFormat{Kind: "json"}
	if j.RouteBy != "" {
		f.RouteBy = &j.RouteBy
	}
	return f
}

// DMS is Parquet as AWS Database Migration Service writes it, with the operation (Op), the sequence (AR_H_CHANGE_SEQ) and
// the keys before the change (BI_<key>) beside the table's columns. For CDC datasets only.
type DMS struct {
	// Transactions says that changes come as records of transaction files, which are CSV without names: Columns are then
	// the table's columns, all of them and in the table's order. Loads are Parquet all the same.
	// Default: false, changes are Parquet too.
	Transactions bool
}

// TransactionNull is the field of a transaction file that means NULL. It is nothing that data would hold: the one text
// that cannot be told from NULL.
const TransactionNull = "~strata.null~"

// KindTransactions is the kind of a DMS format with Transactions, as the manifest states it.
const KindTransactions = "dms_transactions"

func (d DMS) render() FileFormat {
	if !d.Transactions {
		return FileFormat{Kind: "dms_parquet"}
	}
	null := TransactionNull
	return FileFormat{Kind: KindTransactions, NullValue: &null}
}

// FileFormat is a Format as the manifest states it.
type FileFormat struct {
	Kind      string  `json:"kind"`
	Header    *bool   `json:"header"`
	Delimiter *string `json:"delimiter"`
	NullValue *string `json:"null_value"`
	RouteBy   *string `json:"route_by"`
	// Table is the table whose changes messages of DMS are; nil, and absent, for every other format.
	Table *string `json:"table,omitempty"`
}
