package check

import (
	"fmt"
	"strings"
)

// Unresolved reports whether s holds a CDK token: a value that is known only at deployment and so cannot be judged.
func Unresolved(s string) bool { return strings.Contains(s, "${Token[") }

// Join puts a field path below a prefix: Join("Datasets[0]", "Name") is Datasets[0].Name.
func Join(prefix, path string) string {
	switch {
	case prefix == "":
		return path
	case path == "":
		return prefix
	case strings.HasPrefix(path, "["):
		return prefix + path
	}
	return prefix + "." + path
}

// Index names an element of a list: Index("Columns", 2) is Columns[2].
func Index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// Key names an element of a map: Key("Sources", "Erp") is Sources["Erp"].
func Key(path, key string) string { return fmt.Sprintf("%s[%q]", path, key) }

func show(got any) string {
	switch v := got.(type) {
	case nil:
		return ""
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(got)
}

// less orders paths so that Columns[2] comes before Columns[10].
func less(a, b string) bool {
	for a != "" && b != "" {
		na, ra := number(a)
		nb, rb := number(b)
		if na != "" && nb != "" {
			if len(na) != len(nb) {
				return len(na) < len(nb)
			}
			if na != nb {
				return na < nb
			}
			a, b = ra, rb
			continue
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

func number(s string) (digits, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// Below is the construct path of a child that does not exist yet.
func Below(scope, id string) string {
	if scope == "" {
		return id
	}
	return scope + "/" + id
}
