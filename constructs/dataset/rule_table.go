package dataset

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

const (
	kindReference  = "reference"
	kindUniqueness = "uniqueness"
	kindQuery      = "query"
)

// References accepts rows whose value exists in a column of another dataset's cleaned table, deleted rows left out; NULL
// refers to nothing and is accepted. Both columns have one type and one protection, None, Hash or
// Tokenise. What is not there yet is not there: let what is referred to arrive first, or replay. Quarantines unless said otherwise; of a CDC
// dataset, whose changes are kept or refused as units, it has to Block or to Warn.
func References(dataset, column string) Rule {
	return Rule{kind: kindReference, name: dataset, column: column}
}

// Uniqueness accepts a batch if, in the table as it would be afterwards, at least this share of the rows with a value in
// the column have one that no other row has: above 0, at most 1. Judging it reads the whole column, and the keys. For
// columns with Protect: None, Hash or Tokenise. Blocks unless said otherwise. For the key columns, which are unique by themselves,
// UniqueKey tells of records that contradict each other.
func Uniqueness(share float64) Rule { return Rule{kind: kindUniqueness, share: &share} }

// CustomSQL accepts a batch if a query of Spark SQL answers it with one row of one column that holds true or zero. It
// names {{ batch }}, the accepted rows of the batch that write something, and {{ table }}, the table as it would be
// afterwards, deleted rows left out; both have the stored columns, as they are protected. Name is as that of Satisfies.
// Blocks unless said otherwise.
//
//	CustomSQL("no_gap", "SELECT max(day) - min(day) < 2 FROM {{ batch }}")
func CustomSQL(name, query string) Rule {
	return Rule{kind: kindQuery, name: name, expression: query}
}

// checkStored judges a rule that reads the column from the table.
func (c Column) checkStored(l *check.List, path string, r Rule) {
	switch {
	case c.Protect == Drop:
		l.Add(path, "judges the table, which does not have the column", r, distinctAllowed)
	case !c.Protect.distinct():
		l.Add(path, "judges the table, in which "+c.Protect.String()+" makes different values one", r, distinctAllowed)
	}
	if r.kind == kindReference {
		if !idPattern.MatchString(r.name) {
			l.Add(path+".Dataset", "is no dataset's id", r.name, "<domain>.<name>")
		}
		checkName(l, path+".Column", r.column, namePattern, nameAllowed)
	}
}

var (
	idPattern  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$`)
	queryInput = regexp.MustCompile(`\{\{\s*(batch|table)\s*\}\}`)
)

// checkQuery judges the text of a CustomSQL as that of a model is judged: one query that depends on its inputs alone.
func (r Rule) checkQuery(l *check.List, path string) {
	const allowed = `one query that names {{ batch }} or {{ table }}, such as "SELECT count(*) FROM {{ table }} WHERE total < 0"`
	checkName(l, path+".Name", r.name, namePattern, nameAllowed)
	at := path + ".Query"
	if check.Unresolved(r.expression) {
		l.Add(at, "is known only at deployment", r.expression, "a literal text")
		return
	}
	if len(r.expression) > maxExpression {
		l.Add(at, "is too long", len(r.expression), atMost(maxExpression)+" bytes")
	}
	text := scanSQL(queryInput.ReplaceAllString(r.expression, `{{ ref("lake.$1") }}`), spark)
	problems := append(text.problems, text.judge()...)
	named := false
	for _, t := range text.tokens {
		if t.kind == tokenRef {
			named = true
			if t.text != "lake.batch" && t.text != "lake.table" {
				problems = append(problems, "names "+t.text+", which is no input of a rule")
			}
		}
	}
	if !named && len(problems) == 0 {
		problems = append(problems, "names no input, so it says nothing of the batch")
	}
	for _, p := range problems {
		l.Add(at, strings.ReplaceAll(p, "a model", "it"), r.expression, allowed)
	}
}

// checkRuleReferences judges what the rules of one dataset say of others.
func checkRuleReferences(l *check.List, specs []Spec) {
	byID := map[string]Spec{}
	for _, s := range specs {
		byID[s.ID()] = s
	}
	for i, s := range specs {
		for j, c := range s.Columns {
			for k, r := range c.Rules {
				if r.kind != kindReference {
					continue
				}
				path := fmt.Sprintf("[%d].Columns[%d].Rules[%d]", i, j, k)
				if s.Load == CDC && r.Policy() == Quarantine {
					l.Add(path, "cannot set a change aside, of which another may depend", r, "Block() or Warn()")
				}
				other, ok := byID[r.name]
				switch {
				case r.name == s.ID():
					l.Add(path+".Dataset", "is the dataset itself, whose rows are not there before they are applied", r.name, "another dataset")
				case !ok:
					l.Add(path+".Dataset", "is no declared dataset", r.name, "a dataset of the lake")
				default:
					c.checkReferred(l, path, r, other)
				}
			}
		}
	}
}

func (c Column) checkReferred(l *check.List, path string, r Rule, other Spec) {
	to, ok := other.column(r.column)
	switch {
	case !ok:
		l.Add(path+".Column", "is no column of "+r.name, r.column, other.columnNames())
	case to.Type != c.Type:
		l.Add(path+".Column", "is of type "+string(to.Type)+", but "+c.Name+" is of type "+string(c.Type), r.column, "a column of the same type")
	case to.Protect != c.Protect:
		l.Add(path+".Column", "is protected by "+to.Protect.String()+", but "+c.Name+" by "+c.Protect.String(), r.column, "columns of one protection")
	}
}
