// Package cdktest helps to test constructs: one app and stack, the template as Go maps, and rejections as typed errors.
// The jsii kernel is single-threaded, so tests that use it never run in parallel.
package cdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// NewStack makes an app with one stack, named "Test" and bound to no account or region. Nothing is bundled and the
// built-in validator is off: both cost seconds and neither changes the template.
func NewStack(tb testing.TB) awscdk.Stack {
	tb.Helper()
	return NewStackWith(tb, nil)
}

// NewStackWith is NewStack with further context.
func NewStackWith(tb testing.TB, context map[string]any) awscdk.Stack {
	tb.Helper()
	tb.Setenv("CDK_VALIDATION", "false")
	all := map[string]any{"aws:cdk:bundling-stacks": []string{}}
	for k, v := range context {
		all[k] = v
	}
	app := awscdk.NewApp(&awscdk.AppProps{Context: &all, AnalyticsReporting: jsii.Bool(false)})
	return awscdk.NewStack(app, jsii.String("Test"), nil)
}

// Template is a synthesised template.
type Template map[string]any

// Synth renders the stack's template once; assert on the result.
func Synth(tb testing.TB, stack awscdk.Stack) Template {
	tb.Helper()
	return Template(*assertions.Template_FromStack(stack, nil).ToJSON())
}

// Resource is one resource of a template.
type Resource struct {
	ID   string
	Body map[string]any
}

// Properties are the resource's properties, never nil.
func (r Resource) Properties() map[string]any {
	p, _ := r.Body["Properties"].(map[string]any)
	if p == nil {
		p = map[string]any{}
	}
	return p
}

// Metadata is the resource's metadata, never nil.
func (r Resource) Metadata() map[string]any {
	m, _ := r.Body["Metadata"].(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	return m
}

// Resources are the resources of one CloudFormation type, or all if it is empty, sorted by logical id.
func (t Template) Resources(cfnType string) []Resource {
	all, _ := t["Resources"].(map[string]any)
	var found []Resource
	for id, body := range all {
		r := Resource{ID: id, Body: body.(map[string]any)}
		if cfnType == "" || r.Body["Type"] == cfnType {
			found = append(found, r)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].ID < found[j].ID })
	return found
}

// One is the only resource of a type; the test fails when there are none or several.
func (t Template) One(tb testing.TB, cfnType string) Resource {
	tb.Helper()
	found := t.Resources(cfnType)
	if len(found) != 1 {
		tb.Fatalf("want one %s, got %d: %v", cfnType, len(found), ids(found))
	}
	return found[0]
}

// Named is the only resource of a type whose logical id starts with prefix.
func (t Template) Named(tb testing.TB, cfnType, prefix string) Resource {
	tb.Helper()
	var found []Resource
	for _, r := range t.Resources(cfnType) {
		if strings.HasPrefix(r.ID, prefix) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		tb.Fatalf("want one %s named %s…, got %v among %v", cfnType, prefix, ids(found), ids(t.Resources(cfnType)))
	}
	return found[0]
}

// JSON is any part of a template as indented text with sorted keys, to compare and to search.
func JSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(err)
	}
	return b.String()
}

// Rejected runs a constructor that must panic with a *check.Error, and returns that error.
func Rejected(tb testing.TB, construct func()) (rejection *check.Error) {
	tb.Helper()
	defer func() {
		tb.Helper()
		got := recover()
		err, _ := got.(error)
		if got == nil {
			tb.Fatal("the constructor accepted what it should reject")
		} else if !errors.As(err, &rejection) {
			tb.Fatalf("want a panic with *check.Error, got %T: %v", got, got)
		}
	}()
	construct()
	return nil
}

func ids(rs []Resource) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.ID
	}
	return out
}
