// Package policytest judges the policies of a synthesised template: wildcards in what they allow, and text that binds
// the template to one partition, region or account.
package policytest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// objectPath is the one wildcard S3 needs: all objects below a prefix of one bucket. tablePath is Glue's: all tables of
// one database.
var (
	objectPath = regexp.MustCompile(`^(\$\{[^{}]+\.Arn\}|arn:[^*?]*:s3:::[^*?/]+)/[^*?]*\*$`)
	tablePath  = regexp.MustCompile(`^arn:[^*?]*:glue:[^*?]*:table/[^*?/]+/\*$`)
)

// policyProperties are the properties that hold a policy document.
var policyProperties = []string{"PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument", "ResourcePolicy"}

// Wildcards lists every statement that allows more than it names: an action, principal or resource with a wildcard, or
// the complement of a list. Allowed are object paths of one bucket, table paths of one database, and in a key's policy
// the resource "*", which stands for the key. Each finding names resource, statement and value.
func Wildcards(template map[string]any) []string {
	var found []string
	resources, _ := template["Resources"].(map[string]any)
	for id, r := range resources {
		body, _ := r.(map[string]any)
		kind, _ := body["Type"].(string)
		walk(body["Properties"], func(name string, value any) {
			if !slices.Contains(policyProperties, name) {
				return
			}
			document, _ := value.(map[string]any)
			for i, s := range list(document["Statement"]) {
				statement, _ := s.(map[string]any)
				for _, finding := range judge(statement, kind == "AWS::KMS::Key" && name == "KeyPolicy") {
					found = append(found, fmt.Sprintf("%s %s[%d]: %s", id, name, i, finding))
				}
			}
		})
	}
	slices.Sort(found)
	return found
}

func judge(statement map[string]any, keyPolicy bool) []string {
	if statement["Effect"] != "Allow" {
		return nil
	}
	var found []string
	for _, complement := range []string{"NotAction", "NotResource", "NotPrincipal"} {
		if _, has := statement[complement]; has {
			found = append(found, complement)
		}
	}
	for _, a := range list(statement["Action"]) {
		if action := Flatten(a); strings.ContainsAny(action, "*?") {
			found = append(found, "Action "+action)
		}
	}
	for _, r := range list(statement["Resource"]) {
		resource := Flatten(r)
		if !strings.ContainsAny(resource, "*?") || keyPolicy && resource == "*" ||
			objectPath.MatchString(resource) || tablePath.MatchString(resource) {
			continue
		}
		found = append(found, "Resource "+resource)
	}
	return append(found, openPrincipals(statement["Principal"])...)
}

func openPrincipals(principal any) []string {
	var found []string
	principals := []any{principal}
	if byKind, ok := principal.(map[string]any); ok {
		principals = nil
		for _, p := range byKind {
			principals = append(principals, list(p)...)
		}
	}
	for _, p := range principals {
		if name := Flatten(p); strings.ContainsAny(name, "*?") {
			found = append(found, "Principal "+name)
		}
	}
	return found
}

// literals bind a template to one place.
var literals = []*regexp.Regexp{
	regexp.MustCompile(`arn:aws[a-z-]*:[^"]*`),
	regexp.MustCompile(`\b(us|eu|ap|sa|ca|me|af|il|cn|mx)(-gov|-iso[a-z]?)?-(north|south|east|west|central|northeast|southeast|northwest|southwest)-\d\b`),
	regexp.MustCompile(`"(?:[^"]*\D)?\d{12}(?:\D[^"]*)?"`), // within a text: sizes in bytes are numbers
}

// Literals lists the partitions, regions and accounts that the template's resources and outputs name literally.
func Literals(template map[string]any) []string {
	text, err := json.Marshal([]any{template["Resources"], template["Outputs"]})
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, pattern := range literals {
		found = append(found, pattern.FindAllString(string(text), -1)...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Flatten writes a value with intrinsic functions as text: ${Id} for a reference, ${Id.Attribute} for an attribute.
func Flatten(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		return flattenIntrinsic(v)
	}
	return fmt.Sprint(value)
}

func flattenIntrinsic(v map[string]any) string {
	if ref, ok := v["Ref"]; ok {
		return "${" + Flatten(ref) + "}"
	}
	if at, ok := v["Fn::GetAtt"]; ok {
		var parts []string
		for _, p := range list(at) {
			parts = append(parts, Flatten(p))
		}
		return "${" + strings.Join(parts, ".") + "}"
	}
	if join, ok := v["Fn::Join"].([]any); ok && len(join) == 2 {
		var parts []string
		for _, p := range list(join[1]) {
			parts = append(parts, Flatten(p))
		}
		return strings.Join(parts, Flatten(join[0]))
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// walk visits every property of a tree.
func walk(v any, visit func(name string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			visit(name, value)
			walk(value, visit)
		}
	case []any:
		for _, value := range v {
			walk(value, visit)
		}
	}
}
