package run

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseName(t *testing.T) {
	const id = "00112233445566778899aabbccddeeff"
	tests := []struct {
		give    string
		attempt int
		ok      bool
	}{
		{id + "-1", 1, true}, {id + "-12", 12, true}, {id + "-0", 0, false}, {id, 0, false}, {"claim-1", 0, false},
		{id + "-01", 0, false}, {strings.ToUpper(id) + "-1", 0, false}, {"x" + id + "-1", 0, false},
	}
	for _, tt := range tests {
		got, attempt, ok := ParseName(tt.give)
		if ok != tt.ok || attempt != tt.attempt || (ok && got != id) {
			t.Errorf("ParseName(%q) = %q, %d, %v", tt.give, got, attempt, ok)
		}
	}
}

func TestShortenKeepsRunesWhole(t *testing.T) {
	for limit := 1; limit < 9; limit++ {
		if got := shorten("äöü€x", limit); !utf8.ValidString(got) || len(got) > limit+len("…") {
			t.Errorf("shorten to %d = %q", limit, got)
		}
	}
	if got := shorten("short", 10); got != "short" {
		t.Errorf("got %q", got)
	}
}
