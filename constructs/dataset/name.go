package dataset

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

var (
	namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	lakePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
)

const (
	nameAllowed = "a lower-case letter, then up to 62 lower-case letters, digits and _"
	lakeAllowed = "a lower-case letter, then up to 30 lower-case letters, digits and _"
)

// CleanedDatabase is the Glue database of a domain's cleaned tables. Database names have at most 106 characters, far
// below the catalog's 255.
func CleanedDatabase(lake, domain string) string { return lake + "_" + domain + "_cleaned" }

// QuarantineDatabase is the Glue database of a domain's quarantine tables.
func QuarantineDatabase(lake, domain string) string { return lake + "_" + domain + "_quarantine" }

// CuratedDatabase is the Glue database of a domain's models.
func CuratedDatabase(lake, domain string) string { return lake + "_" + domain + "_curated" }

// VaultDatabase is the Glue database of a vault, with one table.
func VaultDatabase(lake, vault string) string { return lake + "_" + vault + "_vault" }

// VaultTable is the table of a vault: what each of its tokens stands for.
const VaultTable = "tokens"

// OperationsDatabase is the Glue database with the lake's own records.
func OperationsDatabase(lake string) string { return lake + "_operations" }

// CurrentView is the view of a CDC dataset beside its table: the rows that are not deleted, with the declared columns.
func CurrentView(name string) string { return name + "_current" }

// ValidateLakeName judges the name of a lake, which prefixes its databases. The problem has no path.
func ValidateLakeName(name string) error {
	var l check.List
	checkName(&l, "", name, lakePattern, lakeAllowed)
	return l.Err()
}

// Unique judges that no two declarations share an id. The map is from field path to id.
func Unique(ids map[string]string) error {
	paths := map[string][]string{}
	for path, id := range ids {
		paths[id] = append(paths[id], path)
	}
	var l check.List
	for id, at := range paths {
		slices.Sort(at)
		for _, path := range at[1:] {
			l.Add(path, "the id is taken by "+at[0], id, "an id <domain>.<name> that nothing else in the lake has")
		}
	}
	return l.Err()
}

func checkName(l *check.List, path, name string, pattern *regexp.Regexp, allowed string) {
	switch {
	case name == "":
		l.Add(path, "is missing", nil, allowed)
	case check.Unresolved(name):
		l.Add(path, "is known only at deployment, but jobs need it at synth", name, "a literal text")
	case strings.HasPrefix(name, "_"):
		l.Add(path, "names that start with _ are the lake's own", name, allowed)
	case !pattern.MatchString(name):
		l.Add(path, "is not a valid name", name, allowed)
	}
}

// checkText judges free text that ends up in the catalog, which bounds its length in bytes.
func checkText(l *check.List, path, text string, limit int, multiline bool) {
	switch {
	case check.Unresolved(text):
		l.Add(path, "is known only at deployment, but the manifest is written at synth", text, "a literal text")
	case !multiline && strings.ContainsAny(text, "\r\n"):
		l.Add(path, "has a line break", text, "one line")
	case !utf8.ValidString(text):
		l.Add(path, "is not valid UTF-8", text, "UTF-8")
	case strings.ContainsFunc(text, uncatalogued):
		l.Add(path, "has a character the catalog refuses", text, "no control characters but tab and line break")
	}
	if len(text) > limit {
		l.Add(path, "is too long", len(text), atMost(limit)+" bytes of UTF-8")
	}
}

// uncatalogued is a character outside the patterns of the Glue Data Catalog's texts.
func uncatalogued(r rune) bool {
	return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == '\ufffe' || r == '\uffff'
}
