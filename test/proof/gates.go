// Package proof judges synthesised templates: no wildcard beyond what has to be one, no literal partition, region or
// account, and few, precise suppressions of rule packs. The gates are plain functions over a template, so that each is
// proved to fail on a broken one.
package proof

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Template is a CloudFormation template as decoded JSON.
type Template map[string]any

// Resource is one resource of a template.
type Resource struct {
	ID             string
	Type           string
	Properties     map[string]any
	Metadata       map[string]any
	DeletionPolicy string
}

// Resources are the template's resources, sorted by logical id.
func (t Template) Resources() []Resource {
	all, _ := t["Resources"].(map[string]any)
	var resources []Resource
	for _, id := range slices.Sorted(maps.Keys(all)) {
		body, _ := all[id].(map[string]any)
		r := Resource{ID: id}
		r.Type, _ = body["Type"].(string)
		r.Properties, _ = body["Properties"].(map[string]any)
		r.Metadata, _ = body["Metadata"].(map[string]any)
		r.DeletionPolicy, _ = body["DeletionPolicy"].(string)
		resources = append(resources, r)
	}
	return resources
}

var (
	partitions = regexp.MustCompile(`\barn:aws[a-z-]*:`)
	regions    = regexp.MustCompile(`\b(af|ap|ca|cn|eu|il|me|mx|sa|us)(-gov|-iso[a-z]?)?-(north|south|east|west|central|northeast|northwest|southeast|southwest)-\d\b`)
	accounts   = regexp.MustCompile(`\b\d{12}\b`)
)

// Literals finds literal partitions, regions and account numbers in any text of the template, keys included.
func Literals(t Template) []string {
	var found []string
	walk("", map[string]any(t), func(path, text string) {
		for what, form := range map[string]*regexp.Regexp{"partition": partitions, "region": regions, "account": accounts} {
			if hit := form.FindString(text); hit != "" {
				found = append(found, fmt.Sprintf("%s: literal %s %q", path, what, hit))
			}
		}
	})
	slices.Sort(found)
	return found
}

func walk(path string, v any, visit func(path, text string)) {
	switch v := v.(type) {
	case string:
		visit(path, v)
	case []any:
		for i, e := range v {
			walk(fmt.Sprintf("%s[%d]", path, i), e, visit)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			visit(path, k)
			walk(path+"."+k, v[k], visit)
		}
	}
}

// Suppression is one accepted finding pair and how many resources carry it.
type Suppression struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// Suppressions counts the accepted findings of the templates by rule and reason, sorted. The error lists suppressions
// that cover a stack, name no finding where the rule has several, or give no reason.
func Suppressions(templates ...Template) ([]Suppression, error) {
	counts := map[[2]string]map[string]bool{}
	var problems []string
	for i, t := range templates {
		if meta, ok := t["Metadata"].(map[string]any); ok && meta["cdk_nag"] != nil {
			problems = append(problems, fmt.Sprintf("template %d: a stack-wide suppression", i))
		}
		for _, r := range t.Resources() {
			for _, s := range suppressed(r) {
				rule, _ := s["id"].(string)
				reason, _ := s["reason"].(string)
				if len(strings.TrimSpace(reason)) < 20 {
					problems = append(problems, fmt.Sprintf("%s: %s has no reason", r.ID, rule))
				}
				if applies, _ := s["applies_to"].([]any); granular[rule] && len(applies) == 0 {
					problems = append(problems, fmt.Sprintf("%s: %s names no finding", r.ID, rule))
				}
				pair := [2]string{rule, reason}
				if counts[pair] == nil {
					counts[pair] = map[string]bool{}
				}
				counts[pair][fmt.Sprint(i, r.ID)] = true
			}
		}
	}
	var all []Suppression
	for pair, resources := range counts {
		all = append(all, Suppression{Rule: pair[0], Reason: pair[1], Count: len(resources)})
	}
	slices.SortFunc(all, func(a, b Suppression) int {
		return strings.Compare(a.Rule+"\x00"+a.Reason, b.Rule+"\x00"+b.Reason)
	})
	if len(problems) > 0 {
		return all, fmt.Errorf("%s", strings.Join(problems, "\n"))
	}
	return all, nil
}

// granular are the rules whose findings name a part of the resource.
var granular = map[string]bool{"AwsSolutions-IAM4": true, "AwsSolutions-IAM5": true}

func suppressed(r Resource) []map[string]any {
	nag, _ := r.Metadata["cdk_nag"].(map[string]any)
	rules, _ := nag["rules_to_suppress"].([]any)
	var all []map[string]any
	for _, rule := range rules {
		if s, ok := rule.(map[string]any); ok {
			all = append(all, s)
		}
	}
	return all
}

// MaxSuppressions is how many distinct pairs of rule and reason an example may have.
const MaxSuppressions = 10

// Budget reports pairs beyond the budget.
func Budget(all []Suppression) error {
	if len(all) <= MaxSuppressions {
		return nil
	}
	text, _ := json.MarshalIndent(all, "", "  ")
	return fmt.Errorf("%d distinct suppressions, at most %d:\n%s", len(all), MaxSuppressions, text)
}
