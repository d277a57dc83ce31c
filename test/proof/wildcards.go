package proof

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Wildcards finds wildcards in what the template's policies allow: in actions, principals and resources. Accepted are
// object paths below a bucket of the template, tables of a Glue database of the template, executions of a state machine
// of the template, network interfaces within a subnet or under a condition, the key itself in a key policy, the six characters that Secrets Manager adds to a secret's name, and
// actions for which the service defines no resource. Wildcards in a Deny only widen what is refused.
func Wildcards(t Template) []string {
	j := judge{template: t, databases: databases(t)}
	for _, r := range t.Resources() {
		policies(r.Properties, func(document map[string]any) {
			for i, s := range list(document["Statement"]) {
				if statement, ok := s.(map[string]any); ok && statement["Effect"] == "Allow" {
					j.statement(fmt.Sprintf("%s[%d]", r.ID, i), r.Type, statement)
				}
			}
		})
	}
	slices.Sort(j.found)
	return slices.Compact(j.found)
}

type judge struct {
	template  Template
	databases map[string]bool
	found     []string
}

func (j *judge) statement(at, kind string, s map[string]any) {
	add := func(format string, args ...any) { j.found = append(j.found, at+": "+fmt.Sprintf(format, args...)) }
	for _, negated := range []string{"NotAction", "NotResource", "NotPrincipal"} {
		if s[negated] != nil {
			add("%s allows everything else", negated)
		}
	}
	actions := list(s["Action"])
	for _, a := range actions {
		if text := flatten(a); strings.Contains(text, "*") {
			add("action %s", text)
		}
	}
	walk("", s["Principal"], func(_, text string) {
		if strings.Contains(text, "*") {
			add("principal %s", text)
		}
	})
	for _, r := range list(s["Resource"]) {
		text := flatten(r)
		switch {
		case !strings.ContainsAny(text, "*?"):
		case text == "*" && kind == "AWS::KMS::Key":
		case text == "*" && len(actions) > 0 && !slices.ContainsFunc(actions, func(a any) bool { return !resourceless[flatten(a)] }):
		case j.accepted(text):
		case interfaces.MatchString(text) && bounded(s):
		default:
			add("resource %s", text)
		}
	}
}

// resourceless are actions for which the service authorization reference lists no resource type.
var resourceless = map[string]bool{
	"logs:CreateLogDelivery": true, "logs:DeleteLogDelivery": true, "logs:DescribeLogGroups": true,
	"logs:DescribeResourcePolicies": true, "logs:GetLogDelivery": true, "logs:ListLogDeliveries": true,
	"logs:PutResourcePolicy": true, "logs:UpdateLogDelivery": true,
	"xray:GetSamplingRules": true, "xray:GetSamplingTargets": true,
	"xray:PutTelemetryRecords": true, "xray:PutTraceSegments": true,
	"dms:DescribeReplications":      true,
	"ec2:DescribeNetworkInterfaces": true, "ec2:DescribeRouteTables": true, "ec2:DescribeSecurityGroups": true,
	"ec2:DescribeSubnets": true, "ec2:DescribeVpcAttribute": true, "ec2:DescribeVpcEndpoints": true,
	"cloudwatch:PutMetricData": true,
}

var (
	objectPath = regexp.MustCompile(`^<(\w+)\.Arn>/[^*?]*\*$`)
	tablePath  = regexp.MustCompile(`:table/([a-z0-9_]+)/\*$`)
	secretName = regexp.MustCompile(`:secret:[^*?]+-\?{6}$`)
	executions = regexp.MustCompile(`:execution:<(\w+)\.Name>:\*$`)
	interfaces = regexp.MustCompile(`:ec2:[^*?]*:network-interface/\*$`)
)

// bounded says whether a statement on network interfaces names where they are made, or a condition on them.
func bounded(s map[string]any) bool {
	if s["Condition"] != nil {
		return true
	}
	makes := slices.Equal(list(s["Action"]), []any{"ec2:CreateNetworkInterface"})
	return makes && slices.ContainsFunc(list(s["Resource"]), func(r any) bool { return strings.Contains(flatten(r), ":subnet/") })
}

func (j *judge) accepted(arn string) bool {
	if secretName.MatchString(arn) {
		return !strings.Contains(arn, "*")
	}
	if strings.Count(arn, "*") != 1 || strings.Contains(arn, "?") {
		return false
	}
	if m := objectPath.FindStringSubmatch(arn); m != nil {
		return j.is(m[1], "AWS::S3::Bucket")
	}
	if m := tablePath.FindStringSubmatch(arn); m != nil {
		return j.databases[m[1]]
	}
	if m := executions.FindStringSubmatch(arn); m != nil {
		return j.is(m[1], "AWS::StepFunctions::StateMachine")
	}
	return false
}

func (j *judge) is(id, kind string) bool {
	all, _ := j.template["Resources"].(map[string]any)
	r, _ := all[id].(map[string]any)
	return r["Type"] == kind
}

func databases(t Template) map[string]bool {
	names := map[string]bool{}
	for _, r := range t.Resources() {
		if r.Type == "AWS::Glue::Database" {
			input, _ := r.Properties["DatabaseInput"].(map[string]any)
			name, _ := input["Name"].(string)
			names[name] = true
		}
	}
	return names
}

// policies visits every policy document in a resource's properties, wherever it stands.
func policies(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			policies(e, visit)
		}
	case map[string]any:
		if v["Statement"] != nil {
			visit(v)
			return
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			policies(v[k], visit)
		}
	}
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

// flatten prints a value with its references in angle brackets and its joins and substitutions run out.
func flatten(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "<" + ref + ">"
		}
		if att := list(v["Fn::GetAtt"]); len(att) == 2 {
			return fmt.Sprintf("<%v.%v>", att[0], att[1])
		}
		if sub, ok := v["Fn::Sub"].(string); ok {
			return sub
		}
		if join := list(v["Fn::Join"]); len(join) == 2 {
			var parts []string
			for _, part := range list(join[1]) {
				parts = append(parts, flatten(part))
			}
			return strings.Join(parts, flatten(join[0]))
		}
	}
	return fmt.Sprintf("*unknown* %v", v)
}
