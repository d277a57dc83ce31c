package proof

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// holds says what is lost with a resource of a type.
var holds = map[string]string{
	"AWS::Athena::WorkGroup":               "the history of its queries",
	"AWS::DMS::ReplicationConfig":          "its position in the source's log",
	"AWS::DynamoDB::Table":                 "its items",
	"AWS::Glue::Database":                  "its tables",
	"AWS::Glue::Table":                     "its place in the catalog",
	"AWS::KMS::Key":                        "what was encrypted under it",
	"AWS::KinesisFirehose::DeliveryStream": "the records in its buffers, and its name that producers know",
	"AWS::Logs::LogGroup":                  "its lines",
	"AWS::S3::Bucket":                      "its objects",
	"AWS::SNS::Topic":                      "its subscriptions",
	"AWS::SQS::Queue":                      "its messages",
	"AWS::SecretsManager::Secret":          "its value",
}

// CreateOnly tells which properties of a resource type are changed by making the resource anew, as JSON pointers.
type CreateOnly func(kind string) ([]string, error)

// Breaking finds what an update from one template to another takes from whoever has deployed the first: resources that
// hold something and are gone, made anew or no longer kept when the stack is deleted, and permissions that roles and
// resources which are there already get, or refusals that they lose. New roles and resources break nothing.
func Breaking(before, after Template, createOnly CreateOnly) ([]string, error) {
	found, err := lost(before, after, createOnly)
	if err != nil {
		return nil, err
	}
	return append(found, widened(before, after)...), nil
}

func lost(before, after Template, createOnly CreateOnly) ([]string, error) {
	now := map[string]Resource{}
	for _, r := range after.Resources() {
		now[r.ID] = r
	}
	var found []string
	for _, old := range before.Resources() {
		what, known := holds[old.Type]
		if !known && !old.kept() {
			continue
		}
		if what == "" {
			what = "what it is for"
		}
		add := func(format string, args ...any) {
			found = append(found, fmt.Sprintf("%s (%s): %s", old.ID, old.Type, fmt.Sprintf(format, args...)))
		}
		fate := "deleted"
		if old.kept() {
			fate = "left behind, outside of the stack"
		}
		r, there := now[old.ID]
		switch {
		case !there:
			add("is gone, or has another logical id: %s would be %s", what, fate)
		case r.Type != old.Type:
			add("is a %s now: %s would be %s", r.Type, what, fate)
		default:
			pointers, err := createOnly(old.Type)
			if err != nil {
				return nil, err
			}
			for _, p := range pointers {
				if x, y := at(old.Properties, p), at(r.Properties, p); !reflect.DeepEqual(x, y) {
					add("%s changes from %s to %s, which makes it anew: %s would be %s",
						strings.TrimPrefix(p, "/properties/"), brief(x), brief(y), what, fate)
				}
			}
			if old.kept() && !r.kept() {
				add("its DeletionPolicy changes from %s to %q: %s would be deleted with the stack", old.DeletionPolicy, r.DeletionPolicy, what)
			}
		}
	}
	return found, nil
}

// kept tells whether the resource stays when it leaves the stack.
func (r Resource) kept() bool { return strings.HasPrefix(r.DeletionPolicy, "Retain") }

// at is the value at a JSON pointer of a resource type's schema.
func at(properties map[string]any, pointer string) any {
	var v any = map[string]any{"properties": properties}
	for _, key := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func brief(v any) string {
	if v == nil {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil || len(text) > 100 {
		return "something longer"
	}
	return string(text)
}

// widened finds allowances that are new and refusals that are gone, of roles and resources that both templates have.
func widened(before, after Template) []string {
	var found []string
	both := func(r rule) bool { return before.has(r.of) && after.has(r.of) }
	old, now := rules(before), rules(after)
	for _, r := range now {
		if r.effect == "Allow" && both(r) && before.has(r.resource) && !slices.ContainsFunc(old, r.within) {
			found = append(found, fmt.Sprintf("%s is allowed more: %s", r.of, r))
		}
	}
	for _, r := range old {
		if r.effect == "Deny" && both(r) && !slices.ContainsFunc(now, r.within) {
			found = append(found, fmt.Sprintf("%s is refused less: %s", r.of, r))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
