package dataset_test

import (
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
)

func TestRulesAgainstTypes(t *testing.T) {
	const (
		unsuited = "its value does not suit the type "
		nothing  = "no value satisfies it"
	)
	for _, tt := range []struct {
		typ   dataset.Type
		rules dataset.Rules
		want  string // of the last rule; empty when it is accepted
	}{
		{dataset.Int, dataset.Rules{dataset.AtLeast(-2147483648)}, ""},
		{dataset.Int, dataset.Rules{dataset.AtMost(int64(2147483648))}, unsuited},
		{dataset.Int, dataset.Rules{dataset.AtLeast(1.5)}, unsuited},
		{dataset.Int, dataset.Rules{dataset.AtLeast("01")}, unsuited},
		{dataset.Int, dataset.Rules{dataset.AtLeast("-0")}, unsuited},
		{dataset.Bigint, dataset.Rules{dataset.AtMost("9223372036854775807")}, ""},
		{dataset.Bigint, dataset.Rules{dataset.AtMost("9223372036854775808")}, unsuited},
		{dataset.Double, dataset.Rules{dataset.AtLeast(1e300)}, ""},
		{dataset.Double, dataset.Rules{dataset.AtLeast("1e3")}, unsuited},
		{dataset.Double, dataset.Rules{dataset.AtLeast("NaN")}, unsuited},
		{dataset.Decimal(5, 2), dataset.Rules{dataset.Between(0.25, 999.99)}, ""},
		{dataset.Decimal(5, 2), dataset.Rules{dataset.AtMost(1000)}, unsuited},
		{dataset.Decimal(5, 2), dataset.Rules{dataset.AtMost("0.125")}, unsuited},
		{dataset.Decimal(2, 2), dataset.Rules{dataset.AtMost("0.99")}, ""},
		{dataset.Date, dataset.Rules{dataset.Between("1992-01-01", "1998-12-31")}, ""},
		{dataset.Date, dataset.Rules{dataset.AtLeast("1992-02-30")}, unsuited},
		{dataset.Date, dataset.Rules{dataset.AtLeast("1992-1-1")}, unsuited},
		{dataset.Date, dataset.Rules{dataset.AtLeast("0000-01-01")}, unsuited},
		{dataset.Timestamp, dataset.Rules{dataset.AtLeast("2006-01-02T15:04:05.123456")}, ""},
		{dataset.Timestamp, dataset.Rules{dataset.AtLeast("2006-01-02T15:04:05.1234567")}, unsuited},
		{dataset.Timestamp, dataset.Rules{dataset.AtLeast("2006-01-02T15:04:05Z")}, unsuited},
		{dataset.Timestamp, dataset.Rules{dataset.AtLeast("2006-01-02")}, unsuited},
		{dataset.String, dataset.Rules{dataset.AtLeast(1)}, "a range judges numbers"},
		{dataset.Boolean, dataset.Rules{dataset.AtLeast(1)}, "a range judges numbers"},

		{dataset.Bigint, dataset.Rules{dataset.Between(1, 1)}, ""},
		{dataset.Bigint, dataset.Rules{dataset.Between(10, 9)}, nothing},
		{dataset.Double, dataset.Rules{dataset.Between(-0.5, -0.75)}, nothing},
		{dataset.Date, dataset.Rules{dataset.Between("1998-12-31", "1992-01-01")}, nothing},
		{dataset.Timestamp, dataset.Rules{dataset.Between("2006-01-02T15:04:05.000002", "2006-01-02T15:04:05.000001")}, nothing},
		{dataset.Bigint, dataset.Rules{dataset.AtMost(3), dataset.AtLeast(5)}, nothing},
		{dataset.Bigint, dataset.Rules{dataset.AtMost(5), dataset.AtLeast(3)}, ""},

		{dataset.String, dataset.Rules{dataset.OneOf("O", "F", "")}, ""},
		{dataset.String, dataset.Rules{dataset.OneOf("O", "F", "O")}, "lists a value twice"},
		{dataset.String, dataset.Rules{dataset.OneOf[string]()}, "has no values"},
		{dataset.String, dataset.Rules{dataset.OneOf("\xff")}, unsuited},
		{dataset.String, dataset.Rules{dataset.OneOf("${Token[TOKEN.1]}")}, "is known only at deployment"},
		{dataset.Int, dataset.Rules{dataset.OneOf(1, 2)}, ""},
		{dataset.Int, dataset.Rules{dataset.OneOf("one")}, unsuited},
		{dataset.Decimal(3, 1), dataset.Rules{dataset.OneOf("0.5")}, ""},
		{dataset.Date, dataset.Rules{dataset.OneOf("1992-01-01")}, ""},
		{dataset.Double, dataset.Rules{dataset.OneOf(0.5)}, "a set cannot judge"},
		{dataset.Boolean, dataset.Rules{dataset.OneOf("true")}, "a set cannot judge"},
		{dataset.Timestamp, dataset.Rules{dataset.OneOf("2006-01-02T15:04:05")}, "a set cannot judge"},

		{dataset.String, dataset.Rules{dataset.Pattern("^[A-Z]+$")}, ""},
		{dataset.Date, dataset.Rules{dataset.Pattern("^1")}, "a pattern judges text"},
		{dataset.String, dataset.Rules{dataset.Pattern("")}, "is an empty pattern"},
		{dataset.String, dataset.Rules{{}}, "is no rule"},
	} {
		err := column(dataset.Column{Type: tt.typ, Rules: tt.rules}).Validate()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s %v: %v", tt.typ, tt.rules, err)
			}
			continue
		}
		path := "Columns[1].Rules[0]: "
		if len(tt.rules) == 2 {
			path = "Columns[1].Rules[1]: "
		}
		wantProblems(t, err, path+tt.want)
	}
}

func TestPatternsOutsideTheCommonSubset(t *testing.T) {
	for pattern, ok := range map[string]bool{
		`^[A-Z]+$`: true, `^Clerk#[0-9]{9}$`: true, `^\d{4}-\d{2}$`: true, `(?:a|b)*c?`: true, `^\p{Lu}\pL*$`: true,
		`[-a]`: true, `[a-]`: true, `[a-c\-x]`: true, `[\w.]`: true, `[^\]]`: true, `\x41\x{1F600}`: true, `a{2,}`: true,
		`\{a\}`: true, `a]b}`: true, `\A\d+\z`: true, `[a&b]`: true, `[\x41-\x5A]`: true, `\[[a^]`: true, `a.*?b`: true, `[\\-\]]`: true,

		`(`: false, `a**`: false, `a++`: false, `(?=a)`: false, `(a)\1`: false, `\Z`: false, "\xff": false, // not RE2
		`(?i)a`: false, `(?P<n>a)`: false, `(?<n>a)`: false, `(?U)a*`: false, `a{`: false, `a{,3}`: false, `{`: false,
		`\bword\b`: false, `\s`: false, `[\S]`: false, `\v`: false, `\Qa.b\E`: false, `\C`: false, `\101`: false,
		`[[:alpha:]]`: false, `[a[b]]`: false, `[a&&b]`: false, `[]a]`: false, `[^]a]`: false, `[a-c-e]`: false, `[\d-z]`: false,
		`[+--]`: false, `\p{Greek}`: false, `\p{^L}`: false,
	} {
		err := column(dataset.Column{Type: dataset.String, Rules: dataset.Rules{dataset.Pattern(pattern)}}).Validate()
		if (err == nil) != ok {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
}
