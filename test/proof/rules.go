package proof

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// rule is one action on one resource by one principal, of a statement. of is the role or resource that the policy
// belongs to, printed as a reference; principal is empty in policies of a role.
type rule struct {
	of, effect, principal, action, resource, condition string
}

func (r rule) String() string {
	text := r.action
	if r.resource != "" {
		text += " on " + r.resource
	}
	if r.principal != "" {
		text += " by " + r.principal
	}
	if r.condition != "" {
		text += " if " + r.condition
	}
	return text
}

// within tells whether a wider rule, or the same, says what r says.
func (r rule) within(wider rule) bool {
	return r.of == wider.of && r.effect == wider.effect && matches(wider.principal, r.principal) && matches(wider.action, r.action) &&
		matches(wider.resource, r.resource) && (wider.condition == "" || wider.condition == r.condition)
}

// matches tells whether a text with wildcards stands for another text.
func matches(pattern, text string) bool {
	if pattern == text || !strings.ContainsAny(pattern, "*?") {
		return pattern == text
	}
	form := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^(?:" + form + ")$").MatchString(text)
}

// rules are the template's permissions and refusals, one by one.
func rules(t Template) []rule {
	var all []rule
	for _, r := range t.Resources() {
		if r.Type == "AWS::Lambda::Permission" {
			all = append(all, rule{flatten(r.Properties["FunctionName"]), "Allow", flatten(r.Properties["Principal"]),
				flatten(r.Properties["Action"]), "", source(r.Properties)})
			continue
		}
		for _, of := range owners(r) {
			for _, arn := range list(r.Properties["ManagedPolicyArns"]) {
				all = append(all, rule{of: of, effect: "Allow", action: "the managed policy " + flatten(arn)})
			}
			policies(r.Properties, func(document map[string]any) {
				for _, s := range list(document["Statement"]) {
					if statement, ok := s.(map[string]any); ok {
						all = append(all, expand(of, statement)...)
					}
				}
			})
		}
	}
	return all
}

// source is where a function's permission lets calls come from; empty for anywhere.
func source(properties map[string]any) string {
	if properties["SourceArn"] == nil {
		return ""
	}
	return "the source is " + flatten(properties["SourceArn"])
}

// owners are the roles or resources that the policies in a resource's properties belong to.
func owners(r Resource) []string {
	var names []string
	if strings.HasSuffix(r.Type, "Policy") {
		for _, property := range []string{"Roles", "Users", "Groups", "Bucket", "Queues", "Topics"} {
			for _, owner := range list(r.Properties[property]) {
				names = append(names, flatten(owner))
			}
		}
	}
	if len(names) == 0 {
		names = append(names, "<"+r.ID+">")
	}
	return names
}

func expand(of string, s map[string]any) []rule {
	condition := ""
	if s["Condition"] != nil {
		text, err := json.Marshal(s["Condition"])
		if err != nil {
			panic(err) // it was decoded from JSON
		}
		condition = string(text)
	}
	effect, _ := s["Effect"].(string)
	var all []rule
	for _, principal := range parties(s) {
		for _, action := range named(s, "Action") {
			for _, resource := range named(s, "Resource") {
				all = append(all, rule{of, effect, principal, action, resource, condition})
			}
		}
	}
	return all
}

// named are a statement's actions or resources; of those that it excludes one text that says so, and that nothing but
// itself matches. A statement without either has one empty text.
func named(s map[string]any, key string) []string {
	var texts []string
	for _, v := range list(s[key]) {
		texts = append(texts, flatten(v))
	}
	if excluded := list(s["Not"+key]); len(excluded) > 0 {
		var but []string
		for _, v := range excluded {
			but = append(but, flatten(v))
		}
		texts = append(texts, "everything but "+strings.Join(but, ", "))
	}
	if len(texts) == 0 {
		texts = append(texts, "")
	}
	return texts
}

func parties(s map[string]any) []string {
	var texts []string
	for _, key := range []string{"Principal", "NotPrincipal"} {
		prefix := strings.TrimSuffix(key, "Principal")
		switch p := s[key].(type) {
		case nil:
		case map[string]any:
			for _, kind := range slices.Sorted(maps.Keys(p)) {
				for _, one := range list(p[kind]) {
					texts = append(texts, fmt.Sprintf("%s%s %s", prefix, kind, flatten(one)))
				}
			}
		default:
			texts = append(texts, prefix+flatten(p))
		}
	}
	if len(texts) == 0 {
		texts = append(texts, "")
	}
	return texts
}

// has tells whether the template has the resource or parameter that a printed value refers to first; what refers to none
// is anywhere.
func (t Template) has(reference string) bool {
	m := referenceForm.FindStringSubmatch(reference)
	if m == nil {
		return true
	}
	resources, _ := t["Resources"].(map[string]any)
	parameters, _ := t["Parameters"].(map[string]any)
	return resources[m[1]] != nil || parameters[m[1]] != nil
}

var referenceForm = regexp.MustCompile(`<(\w+)(?:\.\w+)?>`)
