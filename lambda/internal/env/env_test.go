package env

import (
	"strings"
	"testing"

	"github.com/strata-cdk/strata/lambda/contract"
)

func TestReadNamesEveryProblem(t *testing.T) {
	for _, name := range contract.Environment["record"] {
		t.Setenv(name, "x")
	}
	t.Setenv(contract.MaxAttempts, "0")
	t.Setenv(contract.WindowSeconds, "1m")
	t.Setenv(contract.Lake, "")
	_, err := Read("record")
	for _, want := range []string{"LAKE: not set", `MAX_ATTEMPTS: got "0", want a whole number from 1`, `WINDOW_SECONDS: got "1m"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func TestRead(t *testing.T) {
	for function, names := range contract.Environment {
		for _, name := range names {
			t.Setenv(name, "7")
		}
		vars, err := Read(function)
		if err != nil || len(vars) != len(names) || vars[contract.Lake] != "7" {
			t.Errorf("%s: %v, %v", function, vars, err)
		}
	}
	if got := (Vars{contract.MaxAttempts: "7"}).Int(contract.MaxAttempts); got != 7 {
		t.Errorf("Int = %d", got)
	}
}
