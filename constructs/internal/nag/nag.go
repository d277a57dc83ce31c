// Package nag writes cdk-nag suppressions beside the resource they concern, in the metadata form that cdk-nag reads, so
// that an importing app does not depend on cdk-nag.
package nag

import (
	"fmt"
	"sort"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Reasons that recur. A rack of few, precise reasons keeps the suppressions reviewable: each (rule, reason) pair is
// counted against a budget.
const (
	// Objects is for statements that end at the objects of one of our buckets, below a fixed prefix where one exists.
	Objects = "Object names are known only at run time; the statement ends at the objects of one bucket or prefix of this lake."
	// Tables is for statements on the tables of one of our databases.
	Tables = "Tables are created by the job from the manifest; the statement ends at the tables of this lake's own databases."
	// NoResource is for actions for which the service defines no resource.
	NoResource = "The service offers no resource for these actions (X-Ray segments, log delivery of Step Functions)."
)

const metadataKey = "cdk_nag"

// Suppress accepts findings of a rule on one resource (an L1, or a construct whose default child is one). A finding is
// the text after the rule in brackets, such as Resource::<Bucket.Arn>/*; without findings the whole rule is accepted.
func Suppress(resource constructs.IConstruct, rule, reason string, findings ...string) {
	cfn, ok := resource.(awscdk.CfnResource)
	if !ok {
		cfn, ok = resource.Node().DefaultChild().(awscdk.CfnResource)
	}
	if !ok {
		panic(fmt.Sprintf("nag: %s has no resource to suppress %s on", *resource.Node().Path(), rule))
	}
	entry := map[string]any{"id": rule, "reason": reason}
	if len(findings) > 0 {
		entry["applies_to"] = distinct(findings)
	}
	var rules []any
	if old, ok := cfn.GetMetadata(jsii.String(metadataKey)).(map[string]any); ok {
		rules, _ = old["rules_to_suppress"].([]any)
	}
	cfn.AddMetadata(jsii.String(metadataKey), map[string]any{"rules_to_suppress": append(rules, entry)})
}

// Resource is the finding of AwsSolutions-IAM5 for a statement on arn.
func Resource(scope constructs.IConstruct, arn *string) string {
	return "Resource::" + flatten(awscdk.Stack_Of(scope).Resolve(arn))
}

// flatten prints a resolved value the way cdk-nag does: references in angle brackets, joins and substitutions run out.
func flatten(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, part := range v {
			b.WriteString(flatten(part))
		}
		return b.String()
	case map[string]any:
		if ref, ok := v["Ref"]; ok {
			return fmt.Sprintf("<%v>", ref)
		}
		if att, ok := v["Fn::GetAtt"].([]any); ok && len(att) == 2 {
			return fmt.Sprintf("<%v.%v>", att[0], att[1])
		}
		if join, ok := v["Fn::Join"].([]any); ok && len(join) == 2 {
			parts, _ := join[1].([]any)
			texts := make([]string, len(parts))
			for i, part := range parts {
				texts[i] = flatten(part)
			}
			return strings.Join(texts, flatten(join[0]))
		}
	}
	return fmt.Sprint(v)
}

func distinct(in []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	sort.Strings(out)
	return out
}
