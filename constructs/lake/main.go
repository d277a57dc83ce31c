package lake

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Main is the body of an app's main function: it makes the app, lets build fill it, and synthesises it. Problems of a
// declaration are printed as a list on standard error, and the process then exits with status 1. Anything else that
// panics is left as it is.
func Main(build func(app awscdk.App)) {
	if status := run(build, os.Stderr); status != 0 {
		os.Exit(status)
	}
}

func run(build func(app awscdk.App), complaints io.Writer) (status int) {
	defer jsii.Close()
	defer func() {
		if problem := recover(); problem != nil {
			var declared *check.Error
			if err, ok := problem.(error); !ok || !errors.As(err, &declared) {
				panic(problem)
			}
			_, _ = fmt.Fprintln(complaints, declared.Error())
			status = 1
		}
	}()
	app := awscdk.NewApp(nil)
	build(app)
	app.Synth(nil)
	return 0
}
