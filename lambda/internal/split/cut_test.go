package split

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// cutAll cuts a text into (schema.table, bytes) pairs.
func cutAll(in io.Reader, limit int) (tables, records []string, err error) {
	c := NewCutter(in)
	if limit > 0 {
		c.limit = limit
	}
	for {
		r, err := c.Next()
		if errors.Is(err, io.EOF) {
			return tables, records, nil
		}
		if err != nil {
			return tables, records, err
		}
		tables, records = append(tables, r.Schema+"."+r.Table), append(records, string(r.Bytes))
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		name, give string
		want       []string
	}{
		{"nothing", "", nil},
		{"plain", "I,orders,public,1,a\nD,items,shop,2,\n", []string{"public.orders|I,orders,public,1,a\n", "shop.items|D,items,shop,2,\n"}},
		{"no line's end at the end", "I,orders,public,1", []string{"public.orders|I,orders,public,1"}},
		{"quotes, commas and lines in fields", "I,orders,public,1,\"a\"\"b,\n\r\n\"\"\"\nU,orders,public,2,\n",
			[]string{"public.orders|I,orders,public,1,\"a\"\"b,\n\r\n\"\"\"\n", "public.orders|U,orders,public,2,\n"}},
		{"a name in quotes", "I,\"or\"\"d,ers\",public,1\n", []string{"public.or\"d,ers|I,\"or\"\"d,ers\",public,1\n"}},
		{"ends with CRLF", "I,orders,public,1\r\nI,orders,public,\"2\"\r\n",
			[]string{"public.orders|I,orders,public,1\r\n", "public.orders|I,orders,public,\"2\"\r\n"}},
		{"a carriage return is data", "I,orders,public,\r,a\rb\n", []string{"public.orders|I,orders,public,\r,a\rb\n"}},
		{"an unknown operation is not judged here", "X,orders,public,1\n", []string{"public.orders|X,orders,public,1\n"}},
		{"bytes that are not UTF-8", "I,orders,public,\xff\x00\n", []string{"public.orders|I,orders,public,\xff\x00\n"}},
	}
	for _, tt := range tests {
		tables, records, err := cutAll(iotest.OneByteReader(strings.NewReader(tt.give)), 0)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var got []string
		for i := range records {
			got = append(got, tables[i]+"|"+records[i])
		}
		if !slices.Equal(got, tt.want) || strings.Join(records, "") != tt.give {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCutRefuses(t *testing.T) {
	const good = "I,orders,public,1\n"
	tests := []struct{ give, want string }{
		{good + "I,orders,public,\"a\nI,orders,public,2\n", "record 2, from byte 18 on, has a quote that is never closed"},
		{"I,orders,public,a\"b\n", "record 1, from byte 0 on, field 4, has a misplaced quote"},
		{"I,orders,public,\"a\"b\n", "field 4, has a misplaced quote"},
		{"I,orders,public,\"a\"\rb", "field 4, has a misplaced quote"},
		{good + "I,orders,public\n", "record 2, from byte 18 on, has too few fields: 3"},
		{good + "\n", "has too few fields: 1"},
		{"PAR1", "has too few fields: 1"},
		{"I,orders,public," + strings.Repeat("a", 100), "has more than 64 bytes"},
	}
	for _, tt := range tests {
		_, _, err := cutAll(strings.NewReader(tt.give), 64)
		var no *NoCSV
		if !errors.As(err, &no) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.give, err, tt.want)
		}
	}
	broken := errors.New("the connection is gone")
	if _, _, err := cutAll(io.MultiReader(strings.NewReader(good+"I,"), iotest.ErrReader(broken)), 0); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

var pieces = []string{"a", ",", `"`, "ü", ";", "\n", "\r", "\x00", " "}

// TestCutAnyFile: records of any fields, as encoding/csv writes them, come back one by one and byte for byte.
func TestCutAnyFile(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		var file bytes.Buffer
		var tables, records []string
		for range r.IntN(8) {
			var record bytes.Buffer
			writer := csv.NewWriter(&record)
			writer.UseCRLF = r.IntN(2) == 0
			fields := make([]string, 4+r.IntN(4))
			for i := range fields {
				for range r.IntN(6) {
					fields[i] += pieces[r.IntN(len(pieces))]
				}
			}
			if err := writer.Write(fields); err != nil {
				t.Fatal(err)
			}
			writer.Flush()
			tables, records = append(tables, fields[schemaField]+"."+fields[tableField]), append(records, record.String())
			file.Write(record.Bytes())
		}
		gotTables, got, err := cutAll(bytes.NewReader(file.Bytes()), 0)
		if err != nil || !slices.Equal(got, records) || len(gotTables) != len(tables) {
			t.Fatalf("%q: %v, cut into %q, want %q", file.String(), err, got, records)
		}
		for i := range tables { // with CRLF the writer turns a line feed in a field into one
			if strings.ReplaceAll(gotTables[i], "\r\n", "\n") != strings.ReplaceAll(tables[i], "\r\n", "\n") && !strings.Contains(records[i], "\r") {
				t.Fatalf("record %d of %q belongs to %q, want %q", i+1, file.String(), gotTables[i], tables[i])
			}
		}
	}
}

// FuzzCut holds the cutter against encoding/csv: both take the same files for CSV, cut them at the same bytes, and find
// the same tables; what is cut is the file, byte for byte.
func FuzzCut(f *testing.F) {
	for _, seed := range []string{
		"I,orders,public,1,a\nU,items,shop,\"x\"\"y\nz\",2\n", "D,\"a,b\",\"c\"\"d\",\r\nI,t,s,\"\"\r\n", "I,t,s,\"", "I,t,s,a\"b\n", "I,t,s\n\n",
		"I,t,s,\"a\"b\n", "I,t,s,\xff\r", "\"I\",\"t\",\"s\",\"\n\n\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		tables, records, err := cutAll(bytes.NewReader(file), 0)
		if !strings.HasPrefix(string(file), strings.Join(records, "")) || err == nil && len(strings.Join(records, "")) != len(file) {
			t.Fatalf("%q is cut into %q", file, records)
		}
		reference := csv.NewReader(bytes.NewReader(file))
		reference.FieldsPerRecord = -1
		var from int64
		for i, record := range records {
			fields, err := reference.Read()
			if err != nil {
				t.Fatalf("record %d of %q: encoding/csv says %v", i+1, file, err)
			}
			if to := reference.InputOffset(); string(file[from:to]) != record || len(fields) <= ownFields {
				t.Fatalf("record %d of %q is %q, encoding/csv says %q, %d fields", i+1, file, record, file[from:to], len(fields))
			} else {
				from = to
			}
			// encoding/csv reads CRLF in quotes as a line feed.
			if got, want := strings.ReplaceAll(tables[i], "\r\n", "\n"), fields[schemaField]+"."+fields[tableField]; got != want {
				t.Fatalf("record %d of %q belongs to %q, encoding/csv says %q", i+1, file, got, want)
			}
		}
		fields, rest := reference.Read()
		switch blank := rest == nil && from < int64(len(file)) && (file[from] == '\n' || file[from] == '\r'); {
		case err == nil && !errors.Is(rest, io.EOF):
			t.Fatalf("%q has more: encoding/csv says %q, %v", file, fields, rest)
		case err != nil && rest == nil && len(fields) > ownFields && !blank:
			t.Fatalf("%q: the cutter says %v, encoding/csv reads %q", file, err, fields)
		}
	})
}
