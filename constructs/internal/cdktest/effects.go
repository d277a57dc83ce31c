package cdktest

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/strata-cdk/strata/constructs/internal/effects"
)

// Change and Changes are those of package effects, in a stack.
type (
	Change[P any]  = effects.Change[awscdk.Stack, P]
	Changes[P any] = effects.Changes[awscdk.Stack, P]
)

// Effects holds that every exported field of props is read: each change gives another template than base does, and what
// has to be given is asked for. Base makes small props in a stack in which data may be deleted; build makes the construct of
// them. The package test/props holds that each such type P of constructs is handed to it.
func Effects[P any](t *testing.T, base func(awscdk.Stack) P, build func(awscdk.Stack, *P), changes Changes[P]) {
	t.Helper()
	stack := func() awscdk.Stack { return NewStackWith(t, map[string]any{"strata:allow-deletion": true}) }
	render := func(stack awscdk.Stack, props *P) string {
		build(stack, props)
		return JSON(Synth(t, stack))
	}
	for _, problem := range effects.Ineffective(stack, base, render, changes) {
		t.Error(problem)
	}
}
