package split

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	// recordLimit bounds what is held of one record: 64 MiB.
	recordLimit = 64 << 20
	// Fields of a transaction file's records: operation, table, schema, and the row's own.
	tableField, schemaField, ownFields = 1, 2, 3
)

// Record is a row change as the file has it. Bytes hold its line's end, if it has one, and are valid until the next is cut.
type Record struct {
	Table, Schema string
	Bytes         []byte
}

// NoCSV says that a file is not what DMS writes, and where.
type NoCSV struct {
	// Record counts from 1, Offset is where it begins, in bytes.
	Record  int64
	Offset  int64
	Problem string
}

func (e *NoCSV) Error() string {
	return fmt.Sprintf("is no transaction file of DMS: record %d, from byte %d on, %s", e.Record, e.Offset, e.Problem)
}

// Cutter cuts a transaction file into its records. A record ends with a line feed outside of quotes; a quote opens a field
// only at its start, and only a comma or the record's end follows the closing one. The records in their order are the
// file, byte for byte.
type Cutter struct {
	in     *bufio.Reader
	limit  int
	number int64
	offset int64
	record []byte
	values [ownFields][]byte
}

// NewCutter cuts what in holds.
func NewCutter(in io.Reader) *Cutter {
	return &Cutter{in: bufio.NewReaderSize(in, 1<<16), limit: recordLimit}
}

// Next cuts the next record. The error is io.EOF after the last one, a *NoCSV, or what the reader says.
func (c *Cutter) Next() (Record, error) {
	c.offset += int64(len(c.record))
	c.record, c.number = c.record[:0], c.number+1
	for i := range c.values {
		c.values[i] = c.values[i][:0]
	}
	field, at := 0, fieldStart
	for {
		b, err := c.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return c.last(field, at)
		}
		if err != nil {
			return Record{}, err
		}
		if c.record = append(c.record, b); len(c.record) > c.limit {
			return Record{}, c.refuse("has more than %d bytes", c.limit)
		}
		next, found := at.step(b)
		switch found {
		case misplaced:
			return Record{}, c.refuse("field %d, has a misplaced quote", field+1)
		case recordEnds:
			return c.cut(field + 1)
		case fieldEnds:
			field++
		case value:
			if field < ownFields {
				c.values[field] = append(c.values[field], b)
			}
		}
		at = next
	}
}

// last is the record that the end of the file ends.
func (c *Cutter) last(field int, at place) (Record, error) {
	switch {
	case len(c.record) == 0:
		return Record{}, io.EOF
	case at == quoted:
		return Record{}, c.refuse("has a quote that is never closed")
	}
	return c.cut(field + 1)
}

func (c *Cutter) cut(fields int) (Record, error) {
	if fields <= ownFields {
		return Record{}, c.refuse("has too few fields: %d, where operation, table, schema and the row's own are due", fields)
	}
	return Record{Table: string(c.values[tableField]), Schema: string(c.values[schemaField]), Bytes: c.record}, nil
}

func (c *Cutter) refuse(format string, args ...any) error {
	return &NoCSV{Record: c.number, Offset: c.offset, Problem: fmt.Sprintf(format, args...)}
}

// place is where in a field a byte stands.
type place int

const (
	fieldStart place = iota
	plain
	quoted
	closed
	carriageReturn
)

// finding is what a byte is there.
type finding int

const (
	value finding = iota
	mark
	fieldEnds
	recordEnds
	misplaced
)

func (p place) step(b byte) (place, finding) {
	switch p {
	case quoted:
		if b == '"' {
			return closed, mark
		}
		return quoted, value
	case closed:
		switch b {
		case '"':
			return quoted, value
		case '\r':
			return carriageReturn, mark
		case ',', '\n':
		default:
			return closed, misplaced
		}
	case carriageReturn:
		if b != '\n' {
			return carriageReturn, misplaced
		}
	default:
		if b == '"' && p == fieldStart {
			return quoted, mark
		}
		if b == '"' {
			return plain, misplaced
		}
	}
	switch b {
	case ',':
		return fieldStart, fieldEnds
	case '\n':
		return fieldStart, recordEnds
	}
	return plain, value
}
