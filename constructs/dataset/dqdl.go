package dataset

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DQDL renders the dataset's rules in the Data Quality Definition Language, for AWS Glue Data Quality over the cleaned
// table. Each rule is labelled with its policy. What the language cannot say, or says otherwise than the lake's own jobs
// judge, stands there as a comment. The declaration has to be valid.
func (s Spec) DQDL() (string, error) {
	if err := s.Validate(); err != nil {
		return "", err
	}
	return s.entry("lake").DQDL(), nil
}

// DQDL renders the rules of a dataset of the manifest, as Spec.DQDL does.
func (e Entry) DQDL() string {
	d := &dqdl{}
	for _, c := range e.Columns {
		d.column(c)
	}
	if e.UniqueKey {
		d.note("two records with one key and the same content are no fault in the lake")
		d.rule(Quarantine, `IsPrimaryKey "`+strings.Join(e.Keys, `" "`)+`"`)
	}
	for _, r := range e.Rules {
		switch r.kind {
		case kindRowCount:
			d.rowCount(r)
		case kindQuery:
			d.note(fmt.Sprintf("no rule: %s has the batch and the table for inputs", r))
		default:
			d.condition(r)
		}
	}
	if e.Gate.MinRows > 0 {
		d.note("judged of a batch in the lake, of the whole table here")
		d.rule(Block, fmt.Sprintf("RowCount >= %d", e.Gate.MinRows))
	}
	if e.Gate.MaxQuarantinedShare != nil {
		d.note(fmt.Sprintf("no rule: at most a share of %v of a batch's rows is quarantined", *e.Gate.MaxQuarantinedShare))
	}
	if e.Gate.MaxDeletedShare != nil {
		d.note(fmt.Sprintf("no rule: a snapshot lacks at most a share of %v of the stored rows", *e.Gate.MaxDeletedShare))
	}
	return d.text()
}

// dqdl gathers lines: rules and comments, which the language takes between any two of its words.
type dqdl struct {
	lines []string
	rules []int // which lines are rules
}

func (d *dqdl) note(text string) {
	d.lines = append(d.lines, "# "+strings.Join(strings.Fields(text), " "))
}

func (d *dqdl) rule(p Policy, text string) {
	d.rules = append(d.rules, len(d.lines))
	d.lines = append(d.lines, text+fmt.Sprintf(` labels=["policy"="%s"]`, p))
}

func (d *dqdl) text() string {
	var b strings.Builder
	b.WriteString("Rules = [\n")
	last := -1
	if len(d.rules) > 0 {
		last = d.rules[len(d.rules)-1]
	}
	next := 0
	for i, line := range d.lines {
		b.WriteString("    " + line)
		if next < len(d.rules) && d.rules[next] == i {
			next++
			if i != last {
				b.WriteString(",")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	return b.String()
}

func (d *dqdl) column(c Column) {
	if c.Protect == Drop || c.Protect == Null {
		if c.Required || len(c.Rules) > 0 {
			d.note(fmt.Sprintf("no rules on %s: the table does not have its values", c.Name))
		}
		return
	}
	if c.Required {
		d.rule(Quarantine, `IsComplete "`+c.Name+`"`)
	}
	for _, r := range c.Rules {
		switch {
		case r.kind == kindCompleteness && *r.share == 1:
			d.rule(r.Policy(), `IsComplete "`+c.Name+`"`)
		case r.kind == kindCompleteness:
			d.rule(r.Policy(), fmt.Sprintf(`Completeness "%s" >= %s`, c.Name, number(*r.share)))
		case r.kind == kindUniqueness:
			d.uniqueness(c, r)
		case c.Protect != None && r.kind != kindReference:
			d.note(fmt.Sprintf("no rule: %s judges %s before it is protected", r, c.Name))
		case r.kind == kindFreshness:
			d.freshness(c, r)
		case r.kind == kindReference:
			d.reference(c, r)
		case r.share != nil:
			d.share(r, c.fault(r))
		default:
			d.values(c, r)
		}
	}
}

// values renders a rule that every value has to satisfy. In the language NULL satisfies none, so rows without a value are
// left out.
func (d *dqdl) values(c Column, r Rule) {
	values := fmt.Sprintf(`ColumnValues "%s"`, c.Name)
	where := fmt.Sprintf(` where "%s is not null"`, c.Name)
	if c.Required {
		where = ""
	}
	switch r.kind {
	case kindRange:
		if c.Type == Timestamp {
			d.note("the language has dates, but no timestamps")
			d.rule(r.Policy(), fmt.Sprintf(`CustomSql "select count(*) from primary where %s" = 0`, c.fault(r)))
			return
		}
		// Its between leaves both bounds out.
		var parts []string
		for _, bound := range []struct {
			op   string
			text *string
		}{{">=", r.min}, {"<=", r.max}} {
			if bound.text != nil {
				parts = append(parts, values+" "+bound.op+" "+c.dqdlValue(*bound.text)+where)
			}
		}
		if len(parts) == 2 {
			parts = []string{both(parts[0], parts[1])}
		}
		d.rule(r.Policy(), parts[0])
	case kindSet:
		list := make([]string, len(r.values))
		for i, v := range r.values {
			list[i] = c.dqdlValue(v)
		}
		d.rule(r.Policy(), values+" in ["+strings.Join(list, ", ")+"]"+where)
	case kindPattern:
		d.rule(r.Policy(), values+` matches "`+strings.ReplaceAll(whole(r.regex), `"`, `\"`)+`"`+where)
	}
}

// share renders a rule that a share of the rows has to satisfy, rows without a value among them.
func (d *dqdl) share(r Rule, fault string) {
	if strings.Contains(fault, `"`) {
		d.note(fmt.Sprintf("no rule: %s holds a quotation mark, which the language's SQL cannot", r))
		return
	}
	d.rule(r.Policy(), fmt.Sprintf(`CustomSql "select avg(case when %s then 0.0 else 1.0 end) from primary" >= %s`, fault, number(*r.share)))
}

func (d *dqdl) condition(r Rule) {
	fault := "not (" + r.expression + ")"
	switch {
	case r.share != nil:
		d.share(r, fault)
	case strings.Contains(fault, `"`):
		d.note(fmt.Sprintf("no rule: %s holds a quotation mark, which the language's SQL cannot", r))
	default:
		d.rule(r.Policy(), fmt.Sprintf(`CustomSql "select count(*) from primary where %s" = 0`, fault))
	}
}

func (d *dqdl) freshness(c Column, r Rule) {
	d.note("the lake judges by the moment a batch was claimed, this by now; DataFreshness would judge every row")
	newest := "max(" + c.Name + ")"
	if c.Type == Date {
		newest = "date_add(" + newest + ", 1)"
	}
	d.rule(r.Policy(), fmt.Sprintf(`CustomSql "select unix_timestamp() - unix_timestamp(%s) from primary" <= %d`, newest, int64(r.within/time.Second)))
}

// uniqueness leaves rows without a value out by itself, as the lake does.
func (d *dqdl) uniqueness(c Column, r Rule) {
	d.rule(r.Policy(), fmt.Sprintf(`Uniqueness "%s" >= %s where "%s is not null"`, c.Name, number(*r.share), c.Name))
}

func (d *dqdl) reference(c Column, r Rule) {
	share := 1.0
	if r.share != nil {
		share = *r.share
	}
	alias := strings.ReplaceAll(r.name, ".", "_")
	d.note(fmt.Sprintf("needs the table of %s as the reference dataset %s", r.name, alias))
	d.rule(r.Policy(), fmt.Sprintf(`ReferentialIntegrity "%s" "%s.%s" >= %s`, c.Name, alias, r.column, number(share)))
}

func (d *dqdl) rowCount(r Rule) {
	d.note("judged of a batch in the lake, of the whole table here; in AWS Glue ETL jobs only, as it looks back")
	d.rule(r.Policy(), both(fmt.Sprintf("RowCount >= %s * avg(last(%d))", number(1/r.factor), r.batches),
		fmt.Sprintf("RowCount <= %s * avg(last(%d))", number(r.factor), r.batches)))
}

// fault is the condition of Spark SQL under which a value breaks the rule; NULL breaks none.
func (c Column) fault(r Rule) string {
	switch r.kind {
	case kindRange:
		var parts []string
		if r.min != nil {
			parts = append(parts, c.Name+" < "+c.sqlValue(*r.min))
		}
		if r.max != nil {
			parts = append(parts, c.Name+" > "+c.sqlValue(*r.max))
		}
		return strings.Join(parts, " or ")
	case kindSet:
		list := make([]string, len(r.values))
		for i, v := range r.values {
			list[i] = c.sqlValue(v)
		}
		return c.Name + " not in (" + strings.Join(list, ", ") + ")"
	}
	return "not " + c.Name + " rlike " + sqlText(r.regex)
}

func (c Column) sqlValue(text string) string {
	switch c.Type {
	case Date, Timestamp:
		return string(c.Type) + " '" + text + "'"
	case String:
		return sqlText(text)
	}
	return text
}

func sqlText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func (c Column) dqdlValue(text string) string {
	if c.Type == String || c.Type == Date {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
	}
	return text
}

// whole is the expression so that it says the same whether it is searched in a value or matched with the whole of it.
func whole(regex string) string {
	if strings.HasPrefix(regex, "^") && strings.HasSuffix(regex, "$") && !strings.ContainsAny(regex, `|\`) {
		return regex
	}
	return `(?s).*(?:` + regex + `).*`
}

// both is one rule of two; without the outer parentheses a label would be that of the second.
func both(a, b string) string { return "((" + a + ") and (" + b + "))" }

// number is a share or factor without an exponent.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
