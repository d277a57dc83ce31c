// Package corrections reads files of corrections: which refused record gets which values.
package corrections

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
)

// Correction is a line of a file: the record's id as the quarantine table has it, and the text of the columns that were
// wrong; nil is NULL.
type Correction struct {
	Batch      string         `json:"batch_id"`
	Key        string         `json:"object_key"`
	Version    string         `json:"object_version"`
	SHA256     string         `json:"record_sha256"`
	Occurrence int            `json:"occurrence"`
	Set        map[string]any `json:"set"`
	// Line is the place in the file, from 1.
	Line int `json:"-"`
}

var names = []string{"batch_id", "object_key", "object_version", "record_sha256", "occurrence", "set"}

// id tells records apart.
type id struct {
	batch, key, version, sha string
	occurrence               int
}

var (
	batchID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	sha     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

const (
	example = `{"batch_id": "…", "object_key": "…", "object_version": "…", "record_sha256": "…", "occurrence": 1, "set": {"<column>": "<text>"}}`
	// shown bounds the problems that an error lists.
	shown = 20
)

// DatasetOf is the id of the dataset whose corrections lie under a key: corrections/<domain>/<dataset>/<name>.
func DatasetOf(key string) (string, error) {
	rest, ok := strings.CutPrefix(key, contract.CorrectionsFolder)
	parts := strings.SplitN(rest, "/", 3)
	if !ok || len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" || strings.HasSuffix(key, "/") {
		return "", fmt.Errorf("got %q, want the key of a file in the raw bucket, %s<domain>/<dataset>/<name>", key, contract.CorrectionsFolder)
	}
	return parts[0] + "." + parts[1], nil
}

// Parse reads the corrections of records of a dataset. The error lists what is wrong, line by line.
func Parse(body []byte, e *dataset.Entry) ([]Correction, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("is not UTF-8")
	}
	var found []Correction
	var p problems
	seen := map[id]int{}
	for i, line := range bytes.Split(body, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		c, err := parseLine(line)
		if err != nil {
			p.add(i+1, "%s; a line is %s", err, example)
			continue
		}
		c.Line = i + 1
		p.judge(c, e)
		record := id{c.Batch, c.Key, c.Version, c.SHA256, c.Occurrence}
		if before := seen[record]; before > 0 {
			p.add(c.Line, "corrects the same record as line %d", before)
		}
		seen[record] = c.Line
		found = append(found, c)
	}
	if len(found) == 0 && len(p) == 0 {
		return nil, errors.New("holds no correction; a line is " + example)
	}
	if len(found) > contract.MaxCorrectionLines {
		return nil, fmt.Errorf("holds %d corrections, at most %d are allowed: split it", len(found), contract.MaxCorrectionLines)
	}
	return found, p.err()
}

func parseLine(line []byte) (Correction, error) {
	var c Correction
	// Members are taken by their exact names, as the job takes them.
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) == nil {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if !slices.Contains(names, name) {
				return c, fmt.Errorf("unknown field %q", name)
			}
		}
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return c, fmt.Errorf("%s: got a %s, want a %s", kind.Field, kind.Value, kind.Type)
		}
		return c, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("text after the object")
	}
	return c, nil
}

type problems []error

func (p *problems) add(line int, format string, args ...any) {
	*p = append(*p, fmt.Errorf("line %d: "+format, append([]any{line}, args...)...))
}

func (p *problems) judge(c Correction, e *dataset.Entry) {
	if !batchID.MatchString(c.Batch) {
		p.add(c.Line, "batch_id: got %q, want 32 lower-case hex digits as in the quarantine table", c.Batch)
	}
	if c.Key == "" || c.Version == "" {
		p.add(c.Line, "object_key and object_version: got %q and %q, want both as in the quarantine table", c.Key, c.Version)
	}
	if !sha.MatchString(c.SHA256) {
		p.add(c.Line, "record_sha256: got %q, want 64 lower-case hex digits as in the quarantine table", c.SHA256)
	}
	if c.Occurrence < 1 {
		p.add(c.Line, "occurrence: got %d, want a number from 1 as in the quarantine table", c.Occurrence)
	}
	if len(c.Set) == 0 {
		p.add(c.Line, "set: is empty, want at least one column with its text")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		if _, text := c.Set[name].(string); !text && c.Set[name] != nil {
			p.add(c.Line, "set.%s: got %v, want a string as of CSV, such as \"12\", or null", name, c.Set[name])
		}
		switch declared := slices.ContainsFunc(e.Columns, func(d dataset.Column) bool { return d.Name == name }); {
		case !declared:
			p.add(c.Line, "set.%s: %s declares no such column; its columns are %s", name, e.ID, columns(e))
		case e.Load == dataset.CDC && slices.Contains(e.Keys, name):
			p.add(c.Line, "set.%s: is a key column, and the database's later changes go to the key it has; widen the declaration and replay the batch", name)
		}
	}
}

func (p problems) err() error {
	if len(p) > shown {
		return fmt.Errorf("%w\nand %d more", errors.Join(p[:shown]...), len(p)-shown)
	}
	return errors.Join(p...)
}

func columns(e *dataset.Entry) string {
	names := make([]string, len(e.Columns))
	for i, c := range e.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}
