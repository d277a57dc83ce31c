package policytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Statements renders what a template's resource of one type and id prefix allows and denies, one line per statement,
// sorted: effect, actions, resources, principals and conditions, with intrinsic functions flattened. It makes exact
// comparisons of policies readable.
func Statements(template map[string]any, cfnType, idPrefix string) []string {
	var lines []string
	resources, _ := template["Resources"].(map[string]any)
	for id, r := range resources {
		body, _ := r.(map[string]any)
		if body["Type"] != cfnType || !strings.HasPrefix(id, idPrefix) {
			continue
		}
		walk(body["Properties"], func(name string, value any) {
			if !slices.Contains(policyProperties, name) {
				return
			}
			document, _ := value.(map[string]any)
			for _, s := range list(document["Statement"]) {
				lines = append(lines, line(s.(map[string]any)))
			}
		})
	}
	sort.Strings(lines)
	return lines
}

func line(statement map[string]any) string {
	text := fmt.Sprintf("%s %s on %s", statement["Effect"], joined(statement["Action"]), joined(statement["Resource"]))
	switch p := statement["Principal"].(type) {
	case string:
		text += " by " + p
	case map[string]any:
		var names []string
		for kind, who := range p {
			names = append(names, kind+" "+joined(who))
		}
		sort.Strings(names)
		text += " by " + strings.Join(names, ", ")
	}
	if c, ok := statement["Condition"].(map[string]any); ok {
		text += " if " + conditions(c)
	}
	return text
}

func joined(v any) string {
	var parts []string
	for _, p := range list(v) {
		parts = append(parts, Flatten(p))
	}
	return strings.Join(parts, " ")
}

func conditions(c map[string]any) string {
	var parts []string
	for operator, keys := range c {
		byKey, _ := keys.(map[string]any)
		for key, values := range byKey {
			parts = append(parts, fmt.Sprintf("%s %s %s", key, operator, joined(values)))
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, " and ")
}

// Equal reports whether two renderings are the same, and where not, both.
func Equal(got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	text := func(lines []string) string {
		b, _ := json.MarshalIndent(lines, "", "  ")
		return string(b)
	}
	return fmt.Errorf("got %s\nwant %s", text(got), text(want))
}
