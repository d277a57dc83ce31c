package transform

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/strata-cdk/strata/lambda/contract"
)

// maxUnknown bounds how many undeclared datasets get a route of their own from one function instance. Each route is an
// active partition of the delivery stream, which has 500 of them for all instances together.
const maxUnknown = 16

// Routes tells where a record belongs: a domain and a dataset, the two partition keys of a delivery.
//
// The name is what encoding/json finds when it decodes the record into a map[string]json.RawMessage and the field's value
// into a string: the record is one JSON object, the field is found by its exact name once escapes are resolved (decoding
// into a struct would ignore case), nested objects do not count, and of a repeated field the last one does. A record of
// several lines that is no JSON value as a whole is taken line by line; it has a name if all lines that have one agree.
//
// A record without a well-formed name belongs to the first dataset, whose quarantine it ends in. A well-formed name that
// is not declared gets a route of its own, so that its objects become routable once it is declared; names beyond
// maxUnknown share the route contract.UnroutedName.
type Routes struct {
	field string
	known map[string]bool
	first string

	mu      sync.Mutex
	unknown map[string]bool
}

// NewRoutes routes by what the delivery stream declares. There is at least one dataset.
func NewRoutes(r contract.Routing) *Routes {
	routes := &Routes{field: r.Field, known: map[string]bool{}, first: r.Datasets[0], unknown: map[string]bool{}}
	for _, d := range r.Datasets {
		routes.known[d] = true
	}
	return routes
}

// Of is the id of the dataset a record goes to, or contract.UnroutedName twice with a dot between.
func (r *Routes) Of(record []byte) string {
	if r.field == "" {
		return r.first
	}
	name := nameOf(record, r.field)
	switch {
	case name == "":
		return r.first
	case r.known[name] || r.admit(name):
		return name
	}
	return contract.UnroutedName + "." + contract.UnroutedName
}

// admit tells whether an undeclared name has, or gets, a route of its own.
func (r *Routes) admit(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unknown[name] {
		return true
	}
	if len(r.unknown) == maxUnknown {
		return false
	}
	r.unknown[name] = true
	return true
}

// nameOf is the well-formed name in a record's field, or nothing.
func nameOf(record []byte, field string) string {
	if json.Valid(record) {
		return nameIn(record, field)
	}
	found := ""
	for line := range bytes.SplitSeq(record, []byte{'\n'}) {
		if !json.Valid(line) {
			continue
		}
		switch name := nameIn(line, field); {
		case name == "" || name == found:
		case found == "":
			found = name
		default:
			return ""
		}
	}
	return found
}

// nameIn is the well-formed name in a field of one JSON value.
func nameIn(value []byte, field string) string {
	raw := fieldOf(value, field)
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	var name string
	if json.Unmarshal(raw, &name) != nil || !wellFormed(name) {
		return ""
	}
	return name
}

// fieldOf is the text of the last field of that name in a valid JSON value, nil if the value is no object or has none.
// It relies on the value's validity, which json.Valid has judged without allocating anything.
func fieldOf(value []byte, field string) (found []byte) {
	i := skipSpace(value, 0)
	if value[i] != '{' {
		return nil
	}
	for i = skipSpace(value, i+1); value[i] != '}'; {
		key := value[i:stringEnd(value, i)]
		at := skipSpace(value, skipSpace(value, i+len(key))+1) // past the colon
		end := valueEnd(value, at)
		if isKey(key, field) {
			found = value[at:end]
		}
		if i = skipSpace(value, end); value[i] == ',' {
			i = skipSpace(value, i+1)
		}
	}
	return found
}

// isKey tells whether a key's text, quotes included, names the field. Field names are ASCII, so bytes that are not UTF-8
// make no other key equal to one.
func isKey(text []byte, field string) bool {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text[1:len(text)-1]) == field
	}
	var key string
	return json.Unmarshal(text, &key) == nil && key == field
}

func skipSpace(value []byte, i int) int {
	for value[i] == ' ' || value[i] == '\t' || value[i] == '\r' || value[i] == '\n' {
		i++
	}
	return i
}

// stringEnd is the index after the string that starts at i.
func stringEnd(value []byte, i int) int {
	for i++; value[i] != '"'; i++ {
		if value[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd is the index after the value that starts at i, inside an object.
func valueEnd(value []byte, i int) int {
	depth := 0
	for {
		switch value[i] {
		case '"':
			i = stringEnd(value, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 { // the end of a number or literal before it
				return i
			}
			depth--
			i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
}

// maxName is the longest name of a domain or dataset.
const maxName = 63

// wellFormed tells whether text is <domain>.<dataset>, each [a-z][a-z0-9_]{0,62}.
func wellFormed(text string) bool {
	start, dots := 0, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != '.' {
			c := text[i]
			letter := c >= 'a' && c <= 'z'
			if !letter && (i == start || (c < '0' || c > '9') && c != '_') {
				return false
			}
			continue
		}
		if n := i - start; n == 0 || n > maxName {
			return false
		}
		start = i + 1
		dots++
	}
	return dots == 2
}
