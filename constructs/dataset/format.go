package dataset

// Format is the layout of landed files: CSV or Parquet. An object whose key ends in .gz is read as gzip.
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

// FileFormat is a Format as the manifest states it.
type FileFormat struct {
	Kind      string  `json:"kind"`
	Header    *bool   `json:"header"`
	Delimiter *string `json:"delimiter"`
	NullValue *string `json:"null_value"`
}
