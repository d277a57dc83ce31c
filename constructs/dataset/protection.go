package dataset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Protection says how a column is made safe before it leaves the raw zone: None, Hash, HashUnder, Tokenise, Drop, Null,
// Mask, Bucket, Prefix, ToDay, ToMonth, ToQuarter or ToYear. Quality rules see the value before it is protected. The protection of a stored
// column never changes: a table holds all of its rows in one form.
type Protection struct {
	kind        string
	named       bool // whether the key of a hash is another than the lake's own
	key         string
	vault       string
	first, last int
	rest        rune
	width       string
	unit        string
	length      int
}

const (
	kindHash     = "hash"
	kindDrop     = "drop"
	kindNull     = "null"
	kindTokenise = "tokenise"
	kindMask     = "mask"
	kindBucket   = "bucket"
	kindTruncate = "truncate"
	kindPrefix   = "prefix"
)

var (
	// None stores the value as it is.
	None = Protection{}
	// Hash stores HMAC-SHA256 of the value's text under the lake's secret, as 64 lower-case hex digits. Equal values
	// stay equal, so a hashed column still joins and still serves as a key.
	Hash = Protection{kind: kindHash}
	// Drop leaves the column out of the cleaned table.
	Drop = Protection{kind: kindDrop}
	// Null keeps the column, with its declared type, and stores NULL in every row: for consumers that name the column.
	Null = Protection{kind: kindNull}
	// ToDay stores the first instant of a timestamp's day, in UTC.
	ToDay = Protection{kind: kindTruncate, unit: "day"}
	// ToMonth stores the first day of a date's month, or the first instant of a timestamp's, in UTC.
	ToMonth = Protection{kind: kindTruncate, unit: "month"}
	// ToQuarter stores the first day of a date's quarter, or the first instant of a timestamp's, in UTC.
	ToQuarter = Protection{kind: kindTruncate, unit: "quarter"}
	// ToYear stores the first day of a date's year, or the first instant of a timestamp's, in UTC.
	ToYear = Protection{kind: kindTruncate, unit: "year"}
)

// HashUnder is Hash under a secret of its own, which the lake makes and names by key: [a-z0-9][a-z0-9_]{0,30}. Hashes of one
// value under different keys have nothing in common, so that columns join within one key only: for purposes that must not
// be linked, and for a new key beside the old one (docs/protection.md tells how a key is replaced). Each key is a secret of
// 0.40 USD a month (list price), which stays when no column uses it any more.
func HashUnder(key string) Protection { return Protection{kind: kindHash, named: true, key: key} }

// HashKey is the name of the key that the column is hashed under, empty for the lake's own; false if it is not hashed.
func (p Protection) HashKey() (name string, hashed bool) { return p.key, p.kind == kindHash }

// Tokenise stores a token in place of the value, which the vault of this name can turn back: [a-z][a-z0-9_]{0,30}. A token is
// tok_ and the first 32 hex digits of the value's HMAC-SHA256 under the vault's own secret, so equal values have equal
// tokens wherever they are tokenised for one vault: they join and serve as keys. The vault is a table of tokens and values
// in a bucket of its own that Lake.GrantDetokenise alone opens. A vault is a secret of 0.40 USD a month, and the first one
// of a lake a key of 1 USD (list prices); docs/protection.md tells how tokens are turned back.
func Tokenise(vault string) Protection { return Protection{kind: kindTokenise, vault: vault} }

// Vault is the name of the vault that can turn the column's tokens back; false if it is not tokenised.
func (p Protection) Vault() (name string, tokenised bool) { return p.vault, p.kind == kindTokenise }

// Keep says which characters of a text Mask leaves readable. A character is a Unicode code point.
type Keep struct {
	// First is how many characters at the start are kept: 0 to 255.
	// Default: zero, none.
	First int
	// Last is how many characters at the end are kept: 0 to 255.
	// Default: zero, none.
	Last int
	// Rest stands in place of every other character: one that prints.
	// Default: '*'.
	Rest rune
}

// Mask stores a text with every character replaced but those that are kept, so that its length remains. A text with no
// more characters than are kept is replaced whole. For strings.
//
//	Mask(Keep{Last: 4}) // 4929123456781234 is stored as ************1234, and 1234 as ****
func Mask(keep Keep) Protection {
	rest := keep.Rest
	if rest == 0 {
		rest = '*'
	}
	return Protection{kind: kindMask, first: keep.First, last: keep.Last, rest: rest}
}

// Bucket stores the largest multiple of width that is not above the value, so Bucket(10) stores 30 for 30 to 39 and -10
// for -1. Where the type cannot hold that multiple, its lowest value is stored. Width is above zero and suits the type: a
// whole number for Int, Bigint and Double, a number with no more places than the type for Decimal. For numbers; of
// decimals with at most 37 digits.
func Bucket[T ~int | ~int64 | ~float64 | ~string](width T) Protection {
	return Protection{kind: kindBucket, width: *text(width)}
}

// Prefix stores the first length characters (Unicode code points) of a text, and a shorter one as it is: 1 to 255. For
// strings.
func Prefix(length int) Protection { return Protection{kind: kindPrefix, length: length} }

// String names the protection as an app declares it; those without parameters as the manifest does.
func (p Protection) String() string {
	switch p.kind {
	case "":
		return "none"
	case kindHash:
		if p.named {
			return fmt.Sprintf("HashUnder(%q)", p.key)
		}
	case kindTokenise:
		return fmt.Sprintf("Tokenise(%q)", p.vault)
	case kindMask:
		var parts []string
		if p.first != 0 {
			parts = append(parts, fmt.Sprintf("First: %d", p.first))
		}
		if p.last != 0 {
			parts = append(parts, fmt.Sprintf("Last: %d", p.last))
		}
		if p.rest != '*' {
			parts = append(parts, fmt.Sprintf("Rest: %q", p.rest))
		}
		return "Mask(Keep{" + strings.Join(parts, ", ") + "})"
	case kindBucket:
		return "Bucket(" + p.width + ")"
	case kindTruncate:
		return "To" + strings.ToUpper(p.unit[:1]) + p.unit[1:]
	case kindPrefix:
		return fmt.Sprintf("Prefix(%d)", p.length)
	}
	return p.kind
}

// distinct says that different values stay different, so that the stored ones can be compared in their place.
func (p Protection) distinct() bool { return p == None || p.kind == kindHash || p.kind == kindTokenise }

var truncations = []string{"day", "month", "quarter", "year"}

// protectionJSON is a protection with parameters as the manifest states it.
type protectionJSON struct {
	Kind   string  `json:"kind"`
	Key    *string `json:"key,omitempty"`
	Vault  *string `json:"vault,omitempty"`
	First  *int    `json:"first,omitempty"`
	Last   *int    `json:"last,omitempty"`
	Rest   *string `json:"rest,omitempty"`
	Width  *string `json:"width,omitempty"`
	Unit   *string `json:"unit,omitempty"`
	Length *int    `json:"length,omitempty"`
}

// MarshalJSON renders the protection as the manifest states it: a name, or an object if it has parameters.
func (p Protection) MarshalJSON() ([]byte, error) {
	j := protectionJSON{Kind: p.kind}
	switch {
	case p.named:
		j.Key = &p.key
	case p.kind == kindTokenise:
		j.Vault = &p.vault
	case p.kind == kindMask:
		rest := string(p.rest)
		j.First, j.Last, j.Rest = &p.first, &p.last, &rest
	case p.kind == kindBucket:
		j.Width = &p.width
	case p.kind == kindTruncate:
		j.Unit = &p.unit
	case p.kind == kindPrefix:
		j.Length = &p.length
	default:
		return compact(p.String())
	}
	return compact(j)
}

// UnmarshalJSON reads the manifest's protection.
func (p *Protection) UnmarshalJSON(b []byte) error {
	var name string
	if json.Unmarshal(b, &name) == nil {
		for _, plain := range []Protection{None, Hash, Drop, Null} {
			if plain.String() == name {
				*p = plain
				return nil
			}
		}
		return fmt.Errorf("protect: got %q; allowed: none, hash, drop, null, or an object", name)
	}
	var j protectionJSON
	if err := strict(b, &j); err != nil {
		return fmt.Errorf("protect: %w", err)
	}
	switch {
	case j.Kind == kindHash && j.Key != nil:
		*p = HashUnder(*j.Key)
	case j.Kind == kindTokenise && j.Vault != nil:
		*p = Tokenise(*j.Vault)
	case j.Kind == kindMask && j.First != nil && j.Last != nil && j.Rest != nil && len([]rune(*j.Rest)) == 1:
		*p = Protection{kind: kindMask, first: *j.First, last: *j.Last, rest: []rune(*j.Rest)[0]}
	case j.Kind == kindBucket && j.Width != nil:
		*p = Protection{kind: kindBucket, width: *j.Width}
	case j.Kind == kindTruncate && j.Unit != nil && slices.Contains(truncations, *j.Unit):
		*p = Protection{kind: kindTruncate, unit: *j.Unit}
	case j.Kind == kindPrefix && j.Length != nil:
		*p = Protection{kind: kindPrefix, length: *j.Length}
	default:
		return fmt.Errorf("protect: got %s; allowed: kind hash with key, tokenise with vault, mask with first, last and rest, bucket with width, truncate with unit, prefix with length", b)
	}
	return nil
}
