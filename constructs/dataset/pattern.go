package dataset

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Jobs search patterns with Java's engine, while this package and the readers of a manifest have RE2. The subset below
// means the same to both, but for line terminators: Java's $ also matches before a final one, and its dot stops at
// more of them.

var repetition = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}`)

var categories = strings.Fields("L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp")

// patternProblem is empty for a pattern in the common subset.
func patternProblem(regex string) (problem, allowed string) {
	if regex == "" {
		return "is an empty pattern, which every text satisfies", "a regular expression"
	}
	if _, err := regexp.Compile(regex); err != nil {
		text := err.Error()
		if e, ok := err.(*syntax.Error); ok {
			text = e.Code.String() + ": " + e.Expr
		}
		return "is no regular expression: " + text, "the syntax RE2 and Java share"
	}
	s := patternScanner{rest: []rune(regex)}
	for s.problem == "" && len(s.rest) > 0 {
		s.step()
	}
	return s.problem, s.allowed
}

type patternScanner struct {
	rest             []rune
	problem, allowed string
}

func (s *patternScanner) refuse(what, allowed string) { s.problem, s.allowed = what, allowed }

func (s *patternScanner) next() rune {
	if len(s.rest) == 0 {
		return 0
	}
	r := s.rest[0]
	s.rest = s.rest[1:]
	return r
}

func (s *patternScanner) peek(i int) rune {
	if i >= len(s.rest) {
		return 0
	}
	return s.rest[i]
}

func (s *patternScanner) step() {
	switch s.next() {
	case '\\':
		s.escape(false)
	case '[':
		s.class()
	case '(':
		if s.peek(0) == '?' && s.peek(1) != ':' {
			s.refuse("uses a group with flags or a name, which RE2 and Java read differently", "(…) or (?:…); for either case write [Aa]")
		} else if s.peek(0) == '?' {
			s.rest = s.rest[2:]
		}
	case '{':
		m := repetition.FindString("{" + string(s.rest))
		if m == "" {
			s.refuse("has a { that is no repetition; Java refuses it", `{n}, {n,} or {n,m}, or \{ for the character`)
			return
		}
		s.rest = s.rest[len(m)-1:]
	}
}

// escape reads what follows a backslash, and reports whether it stands for one character.
func (s *patternScanner) escape(inClass bool) (single bool) {
	c := s.next()
	switch {
	case strings.ContainsRune("dDwW", c):
		return false
	case strings.ContainsRune("Az", c) && !inClass:
		return false
	case strings.ContainsRune("tnrfa", c):
		return true
	case c == 'x':
		s.hex()
		return true
	case c == 'p' || c == 'P':
		s.category()
		return false
	case c < 0x80 && !alphanumeric(byte(c)):
		return true
	}
	mend := `\d \D \w \W \A \z \t \n \r \f \a \x{…} \p{…} and escaped punctuation`
	switch c {
	case 's', 'S':
		mend = `[ \t\r\n\f] for blanks`
	case 'b', 'B':
		mend = `(?:^|[^\w]) and (?:[^\w]|$) for word boundaries`
	}
	s.refuse(`uses \`+string(c)+`, which RE2 and Java read differently`, mend)
	return false
}

func (s *patternScanner) hex() {
	if s.peek(0) == '{' {
		s.rest = s.rest[slices.Index(s.rest, '}')+1:]
		return
	}
	s.rest = s.rest[min(2, len(s.rest)):]
}

func (s *patternScanner) category() {
	name := string(s.next())
	if name == "{" {
		end := slices.Index(s.rest, '}')
		name = string(s.rest[:end])
		s.rest = s.rest[end+1:]
	}
	if !slices.Contains(categories, name) {
		s.refuse(`uses \p{`+name+`}, which RE2 and Java read differently`, "a general category: "+strings.Join(categories, " "))
	}
}

// class reads a bracket expression after its opening bracket.
func (s *patternScanner) class() {
	if s.peek(0) == '^' {
		s.next()
	}
	if s.peek(0) == ']' {
		s.refuse("has a class that starts with ], which RE2 and Java read differently", `\] for the character`)
		return
	}
	open, start := false, true // open: the last item is one character, so a range may start with it
	for s.problem == "" && len(s.rest) > 0 {
		c := s.next()
		switch {
		case c == ']':
			return
		case c == '[':
			s.refuse("has a [ inside a class, which RE2 and Java read differently", `\[ for the character; a-zA-Z and the like for named classes`)
		case c == '&' && s.peek(0) == '&':
			s.refuse("has && inside a class, which RE2 and Java read differently", `& once`)
		case c == '-' && !start && s.peek(0) != ']':
			if !open || s.peek(0) == '-' || !s.rangeEnd() {
				s.refuse("has a - inside a class that is no range, which RE2 and Java read differently", `\- for the character`)
			}
			open = false
		case c == '\\':
			open = s.escape(true)
		default:
			open = true
		}
		start = false
	}
}

// rangeEnd reads the upper end of a range.
func (s *patternScanner) rangeEnd() bool {
	switch c := s.next(); c {
	case '[':
		return false
	case '\\':
		return s.escape(true)
	}
	return true
}
