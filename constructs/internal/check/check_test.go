package check_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

func TestErrorListsEveryProblemSortedByPath(t *testing.T) {
	var l check.List
	l.Add("Columns[10].Name", "is missing", nil, "a name")
	l.Add("Columns[2].Name", "is not a valid name", "A-B", "lower case")
	l.Add("", "the file is empty", nil, "")
	l.Add("Columns[10].Name", "is missing", nil, "a name") // found again by another layer
	want := strings.Join([]string{
		"3 problems:",
		"  the file is empty",
		`  Columns[2].Name: is not a valid name; got "A-B"; allowed: lower case`,
		"  Columns[10].Name: is missing; allowed: a name",
	}, "\n")
	if got := l.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNoProblemIsNoError(t *testing.T) {
	var l check.List
	l.Under("Datasets", nil)
	if err := l.Err(); err != nil {
		t.Errorf("got %v", err)
	}
	check.Must("Stack/Lake", nil)
}

func TestUnderPrefixesTheProblemsOfAChild(t *testing.T) {
	var child check.List
	child.Add("[0].Name", "is missing", nil, "a name")
	child.Add("", "is empty", nil, "")
	var l check.List
	l.Under(check.Key("Sources", "Erp")+".Datasets", fmt.Errorf("source: %w", child.Err()))
	l.Under("Models", errors.New("no such folder"))
	var e *check.Error
	if !errors.As(l.Err(), &e) {
		t.Fatalf("got %T", l.Err())
	}
	var paths []string
	for _, p := range e.Problems {
		paths = append(paths, p.Path)
	}
	want := `[Models Sources["Erp"].Datasets Sources["Erp"].Datasets[0].Name]`
	if got := fmt.Sprint(paths); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMustPanicsWithTheConstructPath(t *testing.T) {
	var l check.List
	l.Add("Name", "is missing", nil, "a name")
	err := l.Err()
	defer func() {
		e, ok := recover().(*check.Error)
		if !ok || e.At != "Stack/Lake" || !strings.HasPrefix(e.Error(), "1 problem at Stack/Lake:\n  Name: is missing") {
			t.Errorf("got %#v", e)
		}
		if err.(*check.Error).At != "" {
			t.Error("the caller's error was changed")
		}
	}()
	check.Must("Stack/Lake", err)
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct{ give, want string }{
		{check.Join("", "Name"), "Name"},
		{check.Join("Props", ""), "Props"},
		{check.Join("Props", "Name"), "Props.Name"},
		{check.Join("Datasets", "[1].Name"), "Datasets[1].Name"},
		{check.Index("Columns", 2), "Columns[2]"},
		{check.Key("Sources", `a"b`), `Sources["a\"b"]`},
		{check.Below("", "Lake"), "Lake"},
		{check.Below("Stack", "Lake"), "Stack/Lake"},
	} {
		if tt.give != tt.want {
			t.Errorf("got %s, want %s", tt.give, tt.want)
		}
	}
	if check.Unresolved("plain") || !check.Unresolved("x-${Token[TOKEN.12]}") {
		t.Error("tokens are not told from plain text")
	}
}
