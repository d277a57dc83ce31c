package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/cloudformationinclude"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// Nag runs the rule pack AwsSolutions over a template file and returns its findings, warnings and failures of rules
// included. Suppressions in the template's metadata hold.
func Nag(templateFile string) []string {
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	// The included template brings the rule on the bootstrap version itself.
	stack := awscdk.NewStack(app, jsii.String("Included"), &awscdk.StackProps{
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: jsii.Bool(false),
		}),
	})
	cloudformationinclude.NewCfnInclude(stack, jsii.String("Template"), &cloudformationinclude.CfnIncludeProps{
		TemplateFile: jsii.String(templateFile), PreserveLogicalIds: jsii.Bool(true),
	})
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{
		Reports: jsii.Bool(false), LogIgnores: jsii.Bool(true),
	}), nil)
	annotations := assertions.Annotations_FromStack(stack)
	messages := *annotations.FindError(jsii.String("*"), assertions.Match_AnyValue())
	messages = append(messages, *annotations.FindWarning(jsii.String("*"), assertions.Match_AnyValue())...)
	var found []string
	for _, m := range messages {
		if text := fmt.Sprint(m.Entry.Data); strings.Contains(text, "AwsSolutions") || strings.Contains(text, "CdkNag") {
			found = append(found, fmt.Sprintf("%s: %s", *m.Id, text))
		}
	}
	slices.Sort(found)
	return found
}
