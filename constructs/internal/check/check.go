// Package check gathers the problems of a declaration, so that a user sees all of them at once and each with its field,
// the value found and the way to mend it.
package check

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Problem is one fault in a declaration.
type Problem struct {
	// Path names the field as the user writes it: Datasets[0].Columns[2].Name.
	Path string
	// Text says what is wrong, in the user's words.
	Text string
	// Got is the value found, as Go would print it. Empty when the value is absent or would not help.
	Got string
	// Allowed says which values are accepted, or how to mend the problem.
	Allowed string
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	if p.Got != "" {
		b.WriteString("; got " + p.Got)
	}
	if p.Allowed != "" {
		b.WriteString("; allowed: " + p.Allowed)
	}
	return b.String()
}

// Error is every problem of one declaration. Constructors panic with it.
type Error struct {
	// At is the construct path the declaration belongs to. Empty outside a construct tree.
	At string
	// Problems holds at least one problem, sorted by path.
	Problems []Problem
}

func (e *Error) Error() string {
	var b strings.Builder
	noun := "problems"
	if len(e.Problems) == 1 {
		noun = "problem"
	}
	fmt.Fprintf(&b, "%d %s", len(e.Problems), noun)
	if e.At != "" {
		b.WriteString(" at " + e.At)
	}
	b.WriteByte(':')
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// List gathers problems. The zero value is ready to use.
type List struct{ problems []Problem }

// Add records a problem. Got is printed with %q for strings and %v for the rest; nil leaves it out.
func (l *List) Add(path, text string, got any, allowed string) {
	l.problems = append(l.problems, Problem{Path: path, Text: text, Got: show(got), Allowed: allowed})
}

// Under adds the problems of err with every path below prefix. An err that is no *Error becomes one problem at prefix;
// a nil err adds nothing.
func (l *List) Under(prefix string, err error) {
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		l.Add(prefix, err.Error(), nil, "")
		return
	}
	for _, p := range e.Problems {
		p.Path = Join(prefix, p.Path)
		l.problems = append(l.problems, p)
	}
}

// Err is nil when nothing was added, else an *Error sorted by path. A problem that was found twice is told once.
func (l *List) Err() error {
	if len(l.problems) == 0 {
		return nil
	}
	var problems []Problem
	seen := map[Problem]bool{}
	for _, p := range l.problems {
		if !seen[p] {
			problems = append(problems, p)
		}
		seen[p] = true
	}
	sort.SliceStable(problems, func(i, j int) bool { return less(problems[i].Path, problems[j].Path) })
	return &Error{Problems: problems}
}

// Must panics with the *Error in err, told at which construct path it arose. A nil err does nothing.
func Must(at string, err error) {
	if err == nil {
		return
	}
	var l List
	l.Under("", err)
	e := l.Err().(*Error)
	e.At = at
	panic(e)
}
