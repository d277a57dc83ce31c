// Package env reads a Lambda's environment and starts its handler.
package env

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Vars are the values of the environment variables that contract lists for a function.
type Vars map[string]string

// Read returns the variables of a function, or an error that names every one that is missing or not a number.
func Read(function string) (Vars, error) {
	vars := Vars{}
	var problems []string
	for _, name := range contract.Environment[function] {
		value := os.Getenv(name)
		vars[name] = value
		switch {
		case value == "":
			problems = append(problems, name+": not set")
		case numeric[name]:
			if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < 1 {
				problems = append(problems, fmt.Sprintf("%s: got %q, want a whole number from 1", name, value))
			}
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("environment of %s: %s", function, strings.Join(problems, "; "))
	}
	return vars, nil
}

var numeric = map[string]bool{contract.LeaseSeconds: true, contract.WindowSeconds: true, contract.MaxAttempts: true,
	contract.MaxBatchObjects: true, contract.MaxBatchBytes: true, contract.ReplicationGeneration: true}

// Int is the value of a numeric variable, which Read has checked.
func (v Vars) Int(name string) int64 {
	n, err := strconv.ParseInt(v[name], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s was not checked: %v", name, err))
	}
	return n
}

// Logging makes slog write JSON on standard error with the function's and the lake's name.
func Logging(function string, v Vars) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("function", function, "lake", v[contract.Lake]))
}
