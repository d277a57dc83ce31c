package cdktest_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/internal/check"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

func TestTemplate(t *testing.T) {
	stack := cdktest.NewStackWith(t, map[string]any{"answer": "42"})
	if got := stack.Node().TryGetContext(jsii.String("answer")); got != "42" {
		t.Errorf("context: got %v", got)
	}
	if *stack.BundlingRequired() {
		t.Error("assets would be bundled")
	}
	awssqs.NewQueue(stack, jsii.String("Wake"), nil)
	awssqs.NewQueue(stack, jsii.String("Notice"), &awssqs.QueueProps{QueueName: jsii.String("a<b")})
	template := cdktest.Synth(t, stack)
	if got := template.Resources("AWS::SQS::Queue"); len(got) != 2 || !strings.HasPrefix(got[0].ID, "Notice") || len(template.Resources("")) != 2 {
		t.Errorf("got %v", got)
	}
	if got := template.Named(t, "AWS::SQS::Queue", "Notice").Properties()["QueueName"]; got != "a<b" {
		t.Errorf("got %v", got)
	}
	wake := template.Named(t, "AWS::SQS::Queue", "Wake")
	if len(wake.Properties()) != 0 || wake.Metadata() == nil {
		t.Errorf("got %v", wake)
	}
	if !strings.Contains(cdktest.JSON(template), `"a<b"`) {
		t.Error("JSON escapes the text a test searches for")
	}
	for name, check := range map[string]func(tb testing.TB){
		"several": func(tb testing.TB) { template.One(tb, "AWS::SQS::Queue") },
		"none":    func(tb testing.TB) { template.Named(tb, "AWS::SQS::Queue", "Other") },
	} {
		if !fails(t, check) {
			t.Errorf("%s: the helper accepted it", name)
		}
	}
}

func TestRejected(t *testing.T) {
	var l check.List
	l.Add("Name", "is missing", nil, "a name")
	rejection := cdktest.Rejected(t, func() { check.Must("Test/Lake", l.Err()) })
	if rejection.At != "Test/Lake" || len(rejection.Problems) != 1 {
		t.Errorf("got %v", rejection)
	}
	wrapped := cdktest.Rejected(t, func() { panic(fmt.Errorf("lake: %w", l.Err())) })
	if len(wrapped.Problems) != 1 {
		t.Errorf("got %v", wrapped)
	}
	for name, construct := range map[string]func(){
		"accepted": func() {}, "text": func() { panic("no") }, "other error": func() { panic(errors.New("no")) },
	} {
		if !fails(t, func(tb testing.TB) { _ = cdktest.Rejected(tb, construct) }) {
			t.Errorf("%s: the helper took it for a rejection", name)
		}
	}
}

// recorder is a test that notes its failure instead of failing.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Fatal(...any)          { r.failed = true; runtime.Goexit() }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; runtime.Goexit() }

func fails(t *testing.T, test func(tb testing.TB)) bool {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
	return r.failed
}
