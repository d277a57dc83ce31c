package processing

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/storage"
)

var update = flag.Bool("update", false, "write the golden files")

// TestDefinition compares both state machines with their golden files, indented and with sorted keys.
func TestDefinition(t *testing.T) {
	for name, publish := range map[string]bool{"with_publish": true, "without_publish": false} {
		t.Run(name, func(t *testing.T) {
			text, err := definition(publish, 3*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, []byte(text), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			file := "testdata/" + name + ".asl.golden.json"
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("the definition differs from %s; run go test -update and read the difference", file)
			}
			if strings.Contains(text, "Publish") != publish {
				t.Errorf("publish is %v, but the definition says otherwise", publish)
			}
		})
	}
}

// TestMaintenance holds what the state machine of maintenance hands on, and that it ends.
func TestMaintenance(t *testing.T) {
	text, err := maintenance(3 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"TimeoutSeconds":10800`, `"--request.$":"States.JsonToString($$.Execution.Input)"`, `"JitterStrategy":"FULL"`, `"End":true`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
}

// TestValidation holds what the state machine of validations hands on, and by which names it fails.
func TestValidation(t *testing.T) {
	text, err := validation(3 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"TimeoutSeconds":10800`, `"--request.$":"States.JsonToString($$.Execution.Input)"`, `"--validation.$":"$$.Execution.Name"`,
		`"Error":"` + ValidationFoundDifferences + `"`, `"Error":"` + ValidationUnsettled + `"`, `"CausePath":"$.told"`, storage.ValidationOutcomes + "{}.json"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
}

// TestDefinitionIsWhole walks the states: every target exists, every state is reached, every task of a run has a way to
// fail. A task of a replay or a validation that fails ends the execution, with its cause.
func TestDefinitionIsWhole(t *testing.T) {
	definitions := map[string]func() (string, error){
		"publish":         func() (string, error) { return definition(true, time.Hour) },
		"without publish": func() (string, error) { return definition(false, time.Hour) },
		"replay":          func() (string, error) { return replayDefinition(time.Hour) },
		"validation":      func() (string, error) { return validation(time.Hour) },
	}
	for publish, render := range definitions {
		text, err := render()
		if err != nil {
			t.Fatal(err)
		}
		var machine struct {
			StartAt string
			States  map[string]struct {
				Type, Next, Default string
				Choices, Catch      []struct{ Next string }
				Retry               []struct{ JitterStrategy string }
			}
		}
		if err := json.Unmarshal([]byte(text), &machine); err != nil {
			t.Fatal(err)
		}
		reached := map[string]bool{machine.StartAt: true}
		for name, s := range machine.States {
			targets := []string{s.Next, s.Default}
			for _, c := range append(s.Choices, s.Catch...) {
				targets = append(targets, c.Next)
			}
			for _, target := range targets {
				if _, ok := machine.States[target]; target != "" && !ok {
					t.Errorf("%s leads to %s, which is no state", name, target)
				}
				reached[target] = true
			}
			if s.Type == "Task" && name != "Fail" && publish != "replay" && publish != "validation" && (len(s.Catch) == 0 || s.Catch[0].Next != "Fail") {
				t.Errorf("%s does not lead to Fail when it fails", name)
			}
			if s.Type == "Task" && (len(s.Retry) == 0 || s.Retry[0].JitterStrategy != "FULL") {
				t.Errorf("%s is not retried with jitter", name)
			}
		}
		for name := range machine.States {
			if !reached[name] {
				t.Errorf("%s: nothing leads to %s", publish, name)
			}
		}
	}
}
