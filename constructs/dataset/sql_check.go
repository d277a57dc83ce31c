package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// A model is rebuilt when its text or its inputs change, and only then. So its text may depend on nothing else.

// volatileNames are read with or without parentheses; volatileCalls only with.
var (
	volatileNames = strings.Fields(`current_date current_time current_timestamp current_timezone current_user session_user
		current_catalog current_database current_schema localtimestamp tablesample`)
	volatileCalls = strings.Fields(`now curdate getdate sysdate rand random randn randstr uniform uuid shuffle user
		monotonically_increasing_id spark_partition_id input_file_name input_file_block_start input_file_block_length
		aes_encrypt reflect try_reflect java_method`)
	volatileText = []string{"now", "today", "tomorrow", "yesterday"}
	typedText    = strings.Fields("date timestamp timestamp_ltz timestamp_ntz")
)

// judge finds what a model may not hold.
func (s *scanned) judge() []string {
	if len(s.tokens) == 0 {
		return []string{"the file holds no query"}
	}
	var problems []string
	add := func(i int, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("line %d: ", s.line(i))+fmt.Sprintf(format, args...))
	}
	first := s.tokens[0]
	if first.kind != tokenWord && first.text != "(" || first.kind == tokenWord && !slices.Contains(strings.Fields("select with values from"), first.text) {
		add(0, "a model is one query, which starts with SELECT or WITH; got %q", first.text)
	}
	for i := range s.tokens {
		if s.is(i, ";") && i < len(s.tokens)-1 {
			add(i+1, "a second statement; a model is one query in one file")
			break
		}
	}
	for i := range s.tokens {
		if name := s.volatile(i); name != "" {
			add(i, "%s gives another result on another day or run; make it a column or a literal", name)
		}
	}
	for i, t := range s.tokens {
		if t.kind == tokenRef && s.timeTravel(i+1) {
			add(i, "the input %s is read as of another version; the lake pins the version of each input itself", t.text)
		}
	}
	for _, at := range s.strayBraces() {
		problems = append(problems, fmt.Sprintf("line %d: }} stands outside a reference; put a blank between the braces", 1+strings.Count(s.source[:at], "\n")))
	}
	for _, i := range s.unreferenced() {
		add(i, "table %s is not named by a reference; write {{ ref(\"<domain>.<name>\") }}", s.tokens[i].text)
	}
	return problems
}

// volatile is what token i calls when its value depends on more than the inputs.
func (s *scanned) volatile(i int) string {
	t := s.tokens[i]
	if t.kind != tokenWord || s.is(i-1, ".") || s.is(i+1, ".") {
		return ""
	}
	call := s.is(i+1, "(")
	switch {
	case slices.Contains(volatileNames, t.text) && !s.is(i-1, "as"):
		return t.text
	case call && slices.Contains(volatileCalls, t.text):
		return t.text + "()"
	case call && t.text == "unix_timestamp" && s.is(i+2, ")"):
		return "unix_timestamp()"
	case slices.Contains(typedText, t.text) && i+1 < len(s.tokens) && s.tokens[i+1].kind == tokenText:
		if text := strings.ToLower(strings.TrimSpace(s.tokens[i+1].text)); slices.Contains(volatileText, strings.Fields(text + " .")[0]) {
			return t.text + " '" + text + "'"
		}
	}
	return ""
}

// timeTravel reports whether a clause like VERSION AS OF starts at token i.
func (s *scanned) timeTravel(i int) bool {
	if s.is(i, "for") {
		i++
	}
	for _, word := range strings.Fields("version timestamp system_version system_time") {
		if s.is(i, word) && s.is(i+1, "as") && s.is(i+2, "of") {
			return true
		}
	}
	return false
}

// strayBraces are the places of }} outside references. The job that replaces references takes them for a broken one.
// Where the text has a broken one, that is told already.
func (s *scanned) strayBraces() []int {
	if len(s.problems) > 0 {
		return nil
	}
	rest := []byte(s.source)
	for _, t := range s.tokens {
		if t.kind == tokenRef {
			copy(rest[t.start:t.end], strings.Repeat(" ", t.end-t.start))
		}
	}
	var found []int
	for at := 0; ; at += 2 {
		i := strings.Index(string(rest[at:]), "}}")
		if i < 0 {
			return found
		}
		at += i
		found = append(found, at)
	}
}

// scope is what a parenthesis, or the text as a whole, holds.
type scope struct {
	call     string // the function whose arguments these are
	inFrom   bool   // after FROM, where a comma separates tables
	expected bool   // the next token names a table
}

var (
	fromArguments = strings.Fields("extract trim substring substr overlay position")
	afterFrom     = strings.Fields("where group having order limit offset window union except minus intersect select cluster distribute sort qualify")
	beforeTable   = strings.Fields("lateral only")
)

// unreferenced lists the tokens that stand where a table is named, but are neither a reference nor a name that the
// query itself defines.
func (s *scanned) unreferenced() []int {
	defined := s.defined()
	stack := []scope{{}}
	var found []int
	for i, t := range s.tokens {
		top := &stack[len(stack)-1]
		if top.expected && (t.kind != tokenWord || !slices.Contains(beforeTable, t.text)) {
			top.expected = false
			switch {
			case t.kind == tokenRef, t.text == "(" && t.kind == tokenMark:
			case s.is(i+1, "(") && !s.is(i+1, "."), s.query(i), slices.Contains(defined, strings.ToLower(t.text)) && !s.is(i+1, "."):
			default:
				found = append(found, i)
			}
		}
		switch {
		case s.is(i, "("):
			inner := scope{}
			if i > 0 && s.tokens[i-1].kind == tokenWord {
				inner.call = s.tokens[i-1].text
			}
			// FROM (a JOIN b) and FROM ((SELECT …)) name tables inside the parenthesis.
			inner.expected = s.tablesOpen(i) && !s.query(i+1)
			inner.inFrom = inner.expected
			stack = append(stack, inner)
		case s.is(i, ")"):
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
		case s.is(i, "from"):
			// IS DISTINCT FROM compares, and extract(year FROM x) has an argument.
			if !s.is(i-1, "distinct") && !slices.Contains(fromArguments, top.call) {
				top.inFrom, top.expected = true, true
			}
		case s.is(i, "join"):
			top.expected = true
		case s.is(i, ","):
			top.expected = top.inFrom
		case s.is(i, "view") && s.is(i-1, "lateral"):
			top.inFrom = false // its column aliases are separated by commas
		case t.kind == tokenWord && slices.Contains(afterFrom, t.text):
			top.inFrom = false
		}
	}
	return found
}

// tablesOpen reports whether the parenthesis at i stands where a table is named.
func (s *scanned) tablesOpen(i int) bool {
	j := i - 1
	for s.is(j, "(") {
		j--
	}
	return s.is(j, "join") || s.is(j, "from") && !s.is(j-1, "distinct")
}

// query reports whether token i starts a query of its own.
func (s *scanned) query(i int) bool {
	return s.is(i, "select") || s.is(i, "with") || s.is(i, "values") || s.is(i, "from") || s.is(i, "(")
}

// defined lists the names the query gives to queries of its own: WITH name AS (…), name (columns) AS (…).
func (s *scanned) defined() []string {
	var names []string
	for i := range s.tokens {
		if !s.is(i, "as") || !s.is(i+1, "(") || i == 0 {
			continue
		}
		at := i - 1
		if s.is(at, ")") {
			for at > 0 && !s.is(at, "(") {
				at--
			}
			at--
		}
		if at >= 0 && (s.tokens[at].kind == tokenWord || s.tokens[at].kind == tokenQuoted) {
			names = append(names, strings.ToLower(s.tokens[at].text))
		}
	}
	return names
}
