package dataset_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func TestDQDLOfEachRule(t *testing.T) {
	of := func(typ dataset.Type, rules ...dataset.Rule) func(*dataset.Spec) {
		return func(s *dataset.Spec) { s.Columns[1] = dataset.Column{Name: "v", Type: typ, Rules: rules} }
	}
	whole := func(rules ...dataset.Rule) func(*dataset.Spec) {
		return func(s *dataset.Spec) { s.Rules = rules }
	}
	for name, tt := range map[string]struct {
		change func(*dataset.Spec)
		want   []string
	}{
		"required": {func(s *dataset.Spec) { s.Columns[1].Required = true }, []string{`IsComplete "v" labels=["policy"="quarantine"]`}},
		"bounds": {of(dataset.Int, dataset.Between(-1, 5)),
			[]string{`((ColumnValues "v" >= -1 where "v is not null") and (ColumnValues "v" <= 5 where "v is not null")) labels=["policy"="quarantine"]`}},
		"lowest":       {of(dataset.Decimal(5, 2), dataset.AtLeast("0.50").Block()), []string{`ColumnValues "v" >= 0.50 where "v is not null" labels=["policy"="block"]`}},
		"of a day":     {of(dataset.Date, dataset.AtMost("2026-01-31").Warn()), []string{`ColumnValues "v" <= "2026-01-31" where "v is not null" labels=["policy"="warn"]`}},
		"of a moment":  {of(dataset.Timestamp, dataset.AtLeast("2026-01-31T00:00:00")), []string{`# the language has dates, but no timestamps`, `CustomSql "select count(*) from primary where v < timestamp '2026-01-31T00:00:00'" = 0 labels=["policy"="quarantine"]`}},
		"mostly":       {of(dataset.Int, dataset.Between(1, 5).Mostly(0.9).Warn()), []string{`CustomSql "select avg(case when v < 1 or v > 5 then 0.0 else 1.0 end) from primary" >= 0.9 labels=["policy"="warn"]`}},
		"set":          {of(dataset.String, dataset.OneOf("a", `b"\`)), []string{`ColumnValues "v" in ["a", "b\"\\"] where "v is not null" labels=["policy"="quarantine"]`}},
		"set of days":  {of(dataset.Date, dataset.OneOf("2026-01-31")), []string{`ColumnValues "v" in ["2026-01-31"] where "v is not null" labels=["policy"="quarantine"]`}},
		"set mostly":   {of(dataset.String, dataset.OneOf("it's", `\`).Mostly(0.5).Block()), []string{`CustomSql "select avg(case when v not in ('it\'s', '\\') then 0.0 else 1.0 end) from primary" >= 0.5 labels=["policy"="block"]`}},
		"set not said": {of(dataset.String, dataset.OneOf(`"`).Mostly(0.5).Block()), []string{`# no rule: OneOf(").Mostly(0.5).Block() holds a quotation mark, which the language's SQL cannot`}},
		"pattern":      {of(dataset.String, dataset.Pattern(`^[A-Z]+$`)), []string{`ColumnValues "v" matches "^[A-Z]+$" where "v is not null" labels=["policy"="quarantine"]`}},
		"part":         {of(dataset.String, dataset.Pattern(`@"\d`)), []string{`ColumnValues "v" matches "(?s).*(?:@\"\d).*" where "v is not null" labels=["policy"="quarantine"]`}},
		"part mostly":  {of(dataset.String, dataset.Pattern(`\d`).Mostly(0.5).Warn()), []string{`CustomSql "select avg(case when not v rlike '\\d' then 0.0 else 1.0 end) from primary" >= 0.5 labels=["policy"="warn"]`}},
		"completeness": {of(dataset.Int, dataset.Completeness(0.98), dataset.Completeness(1).Warn()), []string{`Completeness "v" >= 0.98 labels=["policy"="block"],`, `IsComplete "v" labels=["policy"="warn"]`}},
		"freshness":    {of(dataset.Timestamp, dataset.FreshWithin(36*time.Hour)), []string{`# the lake judges by the moment a batch was claimed, this by now; DataFreshness would judge every row`, `CustomSql "select unix_timestamp() - unix_timestamp(max(v)) from primary" <= 129600 labels=["policy"="block"]`}},
		"of days":      {of(dataset.Date, dataset.FreshWithin(time.Hour)), []string{`CustomSql "select unix_timestamp() - unix_timestamp(date_add(max(v), 1)) from primary" <= 3600 labels=["policy"="block"]`}},
		"row count":    {whole(dataset.RowCountWithin(2.5, 7)), []string{`# judged of a batch in the lake, of the whole table here; in AWS Glue ETL jobs only, as it looks back`, `((RowCount >= 0.4 * avg(last(7))) and (RowCount <= 2.5 * avg(last(7)))) labels=["policy"="block"]`}},
		"condition":    {whole(dataset.Satisfies("small", "v < 3 OR\n v > 7")), []string{`CustomSql "select count(*) from primary where not (v < 3 OR`, ` v > 7)" = 0 labels=["policy"="quarantine"]`}},
		"some":         {whole(dataset.Satisfies("small", "v < 3").Mostly(0.75).Block()), []string{`CustomSql "select avg(case when not (v < 3) then 0.0 else 1.0 end) from primary" >= 0.75 labels=["policy"="block"]`}},
		"not said":     {whole(dataset.Satisfies("small", `v <> "x"`)), []string{`# no rule: Satisfies("small", "v <> \"x\"") holds a quotation mark, which the language's SQL cannot`}},
		"unique key":   {whole(dataset.UniqueKey()), []string{`# two records with one key and the same content are no fault in the lake`, `IsPrimaryKey "k" labels=["policy"="quarantine"]`}},
		"gate":         {func(s *dataset.Spec) { s.Gate = dataset.Gate{MinRows: 10, MaxQuarantinedShare: dataset.Share(0.05)} }, []string{`RowCount >= 10 labels=["policy"="block"]`, `# no rule: at most a share of 0.05 of a batch's rows is quarantined`}},
		"snapshot":     {func(s *dataset.Spec) { s.Load = dataset.Snapshot }, []string{`# no rule: a snapshot lacks at most a share of 0.5 of the stored rows`}},
		"unique":       {of(dataset.Int, dataset.Uniqueness(0.95)), []string{`Uniqueness "v" >= 0.95 where "v is not null" labels=["policy"="block"]`}},
		"query":        {whole(dataset.CustomSQL("q", "SELECT count(*) FROM {{ table }}")), []string{`# no rule: CustomSQL("q", "SELECT count(*) FROM {{ table }}") has the batch and the table for inputs`}},
		"reference":    {of(dataset.Int, dataset.References("sales.orders", "id")), []string{`# needs the table of sales.orders as the reference dataset sales_orders`, `ReferentialIntegrity "v" "sales_orders.id" >= 1 labels=["policy"="quarantine"]`}},
		"most refer":   {of(dataset.Int, dataset.References("sales.orders", "id").Mostly(0.9).Warn()), []string{`ReferentialIntegrity "v" "sales_orders.id" >= 0.9 labels=["policy"="warn"]`}},
		"hashed": {func(s *dataset.Spec) {
			s.Columns[1] = dataset.Column{Name: "v", Type: dataset.String, Protect: dataset.Hash, Rules: dataset.Rules{dataset.Pattern("a"), dataset.Completeness(0.5)}}
		}, []string{`# no rule: Pattern("a") judges v before it is protected`, `Completeness "v" >= 0.5 labels=["policy"="block"]`}},
		"dropped": {func(s *dataset.Spec) {
			s.Columns[1] = dataset.Column{Name: "v", Type: dataset.String, Protect: dataset.Drop, Rules: dataset.Rules{dataset.Pattern("a")}}
		}, []string{`# no rules on v: the table does not have its values`}},
	} {
		s := dataset.Spec{Domain: "d", Name: "n", Keys: []string{"k"}, Columns: []dataset.Column{{Name: "k", Type: dataset.Int}, {Name: "v", Type: dataset.String}}}
		tt.change(&s)
		got, err := s.DQDL()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want+"\n") && !strings.Contains(got, want+",\n") {
				t.Errorf("%s: want the line\n%s\nin\n%s", name, want, got)
			}
		}
		if err := parseDQDL(got); err != "" {
			t.Errorf("%s: %s in\n%s", name, err, got)
		}
	}
}

func TestDQDLOfEverything(t *testing.T) {
	for _, e := range manifest(t).Datasets {
		if err := parseDQDL(e.DQDL()); err != "" {
			t.Errorf("%s: %s in\n%s", e.ID, err, e.DQDL())
		}
	}
	if _, err := (dataset.Spec{}).DQDL(); err == nil {
		t.Error("what is not valid is rendered")
	}
	for _, wrong := range []string{`Rules = [ IsComplete "a" IsComplete "b" ]`, `Rules = [ IsComplete "a", ]`, `Rules = [ IsComplete "a" `, `Rules = [ (IsComplete "a" ]`,
		`Rules = [ ColumnValues "a" >= 1 where v ]`, `Rules = [ RowCount >= ]`, `Rules = [ IsComplete "a" ] x`} {
		if parseDQDL(wrong) == "" {
			t.Errorf("the parser takes %s", wrong)
		}
	}
}

// parser reads the part of the language's grammar that is rendered: configuration/dqdl/DataQualityDefinitionLanguage.g4 of
// https://github.com/awslabs/dqdl.
type parser struct {
	tokens []string
	at     int
}

var dqdlToken = regexp.MustCompile(`^(?:#[^\n]*\n|\s+|"(?:\\"|\\\\|[^"])*?"|[0-9]+\.[0-9]+|[0-9]+|>=|<=|[A-Za-z_][A-Za-z0-9_.]*|[\[\](),=*-])`)

// parseDQDL is what is wrong with a ruleset, or nothing.
func parseDQDL(text string) string {
	p := &parser{}
	for rest := text; rest != ""; {
		found := dqdlToken.FindString(rest)
		if found == "" {
			return "no word of the language: " + rest
		}
		rest = rest[len(found):]
		if trimmed := strings.TrimSpace(found); trimmed != "" && trimmed[0] != '#' {
			p.tokens = append(p.tokens, trimmed)
		}
	}
	p.tokens = append(p.tokens, "end")
	ok := p.is("Rules") && p.is("=") && p.is("[") && (p.is("]") || p.rules() && p.is("]")) && p.is("end")
	if !ok {
		return "unexpected " + p.tokens[min(p.at, len(p.tokens)-1)]
	}
	return ""
}

func (p *parser) is(text string) bool {
	if p.tokens[p.at] != text {
		return false
	}
	p.at += min(1, len(p.tokens)-1-p.at)
	return true
}

func (p *parser) match(pattern string) bool {
	if p.at == len(p.tokens)-1 || !regexp.MustCompile(`(?s)^(?:`+pattern+`)$`).MatchString(p.tokens[p.at]) {
		return false
	}
	p.at++
	return true
}

func (p *parser) rules() bool {
	for p.topLevel() {
		if !p.is(",") {
			return true
		}
	}
	return false
}

func (p *parser) topLevel() bool {
	if !p.is("(") {
		return p.rule()
	}
	if !p.topLevel() || !p.is(")") || !p.labels() {
		return false
	}
	return !p.is("and") || p.topLevel()
}

func (p *parser) rule() bool {
	if !p.match("[A-Z][A-Za-z]+") {
		return false
	}
	for p.match(`".*"`) {
	}
	if !p.condition() {
		return false
	}
	if p.is("where") && !p.match(`".+"`) {
		return false
	}
	return p.labels()
}

func (p *parser) condition() bool {
	switch {
	case p.is("matches"):
		return p.match(`".*"`)
	case p.is("in"):
		for ok := p.is("["); ok; ok = p.is(",") {
			if !p.match(`".*"`) && !p.number() {
				return false
			}
		}
		return p.is("]")
	case p.is(">="), p.is("<="), p.is("="):
		return p.match(`"[0-9]{4}-[0-9]{2}-[0-9]{2}"`) || p.number()
	}
	return true
}

func (p *parser) number() bool {
	switch {
	case p.is("-"):
		return p.match(`[0-9.]+`)
	case p.match(`[0-9.]+`):
	case p.match("[a-z]+"):
		if !p.is("(") || !p.number() || !p.is(")") {
			return false
		}
	default:
		return false
	}
	return !p.is("*") || p.number()
}

func (p *parser) labels() bool {
	if !p.is("labels") {
		return true
	}
	return p.is("=") && p.is("[") && p.match(`".*"`) && p.is("=") && p.match(`".*"`) && p.is("]")
}
