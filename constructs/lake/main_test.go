package lake

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// TestRunTellsProblems holds that a refused declaration ends in a list and status 1, and that nothing else is caught.
func TestRunTellsProblems(t *testing.T) {
	t.Setenv("CDK_OUTDIR", t.TempDir())
	t.Setenv("CDK_VALIDATION", "false")
	var told strings.Builder
	status := run(func(app awscdk.App) {
		New(awscdk.NewStack(app, jsii.String("Commerce"), nil), "Lake", &Props{})
	}, &told)
	if status != 1 || !strings.Contains(told.String(), "2 problems at Commerce/Lake:\n  Name: is missing") {
		t.Errorf("status %d, told %q", status, told.String())
	}
	if status := run(func(app awscdk.App) { awscdk.NewStack(app, jsii.String("Fine"), nil) }, &told); status != 0 {
		t.Errorf("an app without problems ends with status %d", status)
	}
	other := errors.New("a fault of the program")
	defer func() {
		if got := recover(); got != other {
			t.Errorf("a foreign panic came out as %v", got)
		}
	}()
	run(func(awscdk.App) { panic(other) }, &told)
}
