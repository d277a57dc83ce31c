package dataset

import (
	"fmt"
	"regexp"
	"strings"
)

// dialect says how a text of SQL escapes quotes and which quotes hold text.
type dialect struct {
	backslash    bool // \' continues a literal
	doubleIsText bool // "…" is a literal, not an identifier
	nested       bool // a /* inside a comment opens another one
}

var (
	spark  = dialect{backslash: true, doubleIsText: true, nested: true}
	athena = dialect{}
)

type tokenKind int

const (
	tokenWord   tokenKind = iota // a name, a keyword or a number; text is lower case
	tokenQuoted                  // a quoted name; text is without quotes
	tokenText                    // a literal; text is without quotes
	tokenRef                     // {{ ref("id") }}; text is the id
	tokenMark                    // one other character
)

type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// scanned is a text of SQL without its comments.
type scanned struct {
	source   string
	tokens   []token
	problems []string
}

var (
	refText  = regexp.MustCompile(`^\{\{\s*ref\(\s*(?:"([^"]*)"|'([^']*)')\s*\)\s*\}\}`)
	wordText = regexp.MustCompile(`^[\pL\pN_$]+`)
)

func scanSQL(source string, d dialect) *scanned {
	s := &scanned{source: source}
	for at := 0; at < len(source); {
		at = s.scan(at, d)
	}
	return s
}

func (s *scanned) scan(at int, d dialect) (next int) {
	rest := s.source[at:]
	switch {
	case strings.HasPrefix(rest, "--"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		return s.opaque(at, at+end, "a comment")
	case strings.HasPrefix(rest, "/*"):
		return s.opaque(at, s.comment(at, d), "a comment")
	case strings.HasPrefix(rest, "{{"):
		return s.reference(at)
	case strings.HasPrefix(rest, "{%"), strings.HasPrefix(rest, "{#"):
		s.problem(at, `only {{ ref("<domain>.<name>") }} is understood, no other template text`)
		return at + 2
	case rest[0] == '\'' || rest[0] == '"' && d.doubleIsText:
		end := s.quoted(at, d.backslash)
		s.add(tokenText, s.source[at+1:max(at+1, end-1)], at, end)
		return s.opaque(at, end, "a literal")
	case rest[0] == '"' || rest[0] == '`':
		end := s.quoted(at, false)
		s.add(tokenQuoted, s.source[at+1:max(at+1, end-1)], at, end)
		return s.opaque(at, end, "a quoted name")
	}
	if word := wordText.FindString(rest); word != "" {
		s.add(tokenWord, strings.ToLower(word), at, at+len(word))
		return at + len(word)
	}
	if !strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])) {
		s.add(tokenMark, rest[:1], at, at+1)
	}
	return at + 1
}

func (s *scanned) add(kind tokenKind, text string, start, end int) {
	s.tokens = append(s.tokens, token{kind: kind, text: text, start: start, end: end})
}

func (s *scanned) problem(at int, text string) {
	s.problems = append(s.problems, fmt.Sprintf("line %d: %s", 1+strings.Count(s.source[:at], "\n"), text))
}

// opaque passes over text in which a reference would not be replaced as its author expects.
func (s *scanned) opaque(start, end int, what string) (next int) {
	if strings.Contains(s.source[start:end], "{{") {
		s.problem(start, what+" holds {{; a reference stands in the query itself")
	}
	return end
}

func (s *scanned) reference(at int) (next int) {
	m := refText.FindStringSubmatch(s.source[at:])
	if m == nil {
		s.problem(at, `only {{ ref("<domain>.<name>") }} is understood, no other template text`)
		return at + 2
	}
	s.add(tokenRef, m[1]+m[2], at, at+len(m[0]))
	return at + len(m[0])
}

func (s *scanned) comment(at int, d dialect) (end int) {
	depth := 1
	for i := at + 2; i < len(s.source); i++ {
		switch rest := s.source[i:]; {
		case strings.HasPrefix(rest, "*/"):
			if depth--; depth == 0 {
				return i + 2
			}
			i++
		case d.nested && strings.HasPrefix(rest, "/*"):
			depth++
			i++
		}
	}
	s.problem(at, "a comment has no end")
	return len(s.source)
}

// quoted finds the end of a literal or quoted name; a doubled quote stands for itself.
func (s *scanned) quoted(at int, backslash bool) (end int) {
	quote := s.source[at]
	for i := at + 1; i < len(s.source); i++ {
		switch {
		case backslash && s.source[i] == '\\':
			i++
		case s.source[i] == quote && i+1 < len(s.source) && s.source[i+1] == quote:
			i++
		case s.source[i] == quote:
			return i + 1
		}
	}
	s.problem(at, "a "+string(quote)+" has no end")
	return len(s.source)
}

func (s *scanned) line(i int) int { return 1 + strings.Count(s.source[:s.tokens[i].start], "\n") }

// is reports whether token i exists and is the word or mark given.
func (s *scanned) is(i int, text string) bool {
	if i < 0 || i >= len(s.tokens) {
		return false
	}
	t := s.tokens[i]
	return (t.kind == tokenWord || t.kind == tokenMark) && t.text == text
}
