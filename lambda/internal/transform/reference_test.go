package transform

import (
	"encoding/json"
	"regexp"
	"strings"
)

var wellFormedName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$`)

// reference is the name of a record by encoding/json alone: what Routes promises, written as plainly as possible.
func reference(record, field string) string {
	if name, ok := referenceIn(record, field); ok {
		return name
	}
	names := map[string]bool{}
	for _, line := range strings.Split(record, "\n") {
		if name, _ := referenceIn(line, field); name != "" {
			names[name] = true
		}
	}
	if len(names) == 1 {
		for name := range names {
			return name
		}
	}
	return ""
}

func referenceIn(text, field string) (name string, isJSON bool) {
	var anything any
	if json.Unmarshal([]byte(text), &anything) != nil {
		return "", false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil {
		return "", true
	}
	if json.Unmarshal(fields[field], &name) != nil || !wellFormedName.MatchString(name) {
		return "", true
	}
	return name, true
}
