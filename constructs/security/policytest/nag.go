package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// Nag runs the rule pack AwsSolutions over a stack and lists its errors and warnings, each with the construct's path.
// The stack is synthesised by it, so it is the last thing to do with one.
func Nag(stack awscdk.Stack) []string {
	awscdk.Aspects_Of(stack).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	pattern := assertions.Match_StringLikeRegexp(jsii.String("AwsSolutions-.*|CdkNag.*"))
	annotations := assertions.Annotations_FromStack(stack)
	var found []string
	for _, m := range append(*annotations.FindError(jsii.String("*"), pattern), *annotations.FindWarning(jsii.String("*"), pattern)...) {
		text, _, _ := strings.Cut(fmt.Sprint(m.Entry.Data), "\n")
		found = append(found, *m.Id+": "+text)
	}
	slices.Sort(found)
	return found
}

// Suppressions counts the accepted findings of a template by rule and reason.
func Suppressions(template map[string]any) map[[2]string]int {
	counts := map[[2]string]int{}
	resources, _ := template["Resources"].(map[string]any)
	for _, r := range resources {
		body, _ := r.(map[string]any)
		metadata, _ := body["Metadata"].(map[string]any)
		nag, _ := metadata["cdk_nag"].(map[string]any)
		for _, s := range list(nag["rules_to_suppress"]) {
			rule, _ := s.(map[string]any)
			counts[[2]string{Flatten(rule["id"]), Flatten(rule["reason"])}]++
		}
	}
	return counts
}
