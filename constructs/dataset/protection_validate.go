package dataset

import (
	"fmt"
	"math/big"
	"regexp"
	"unicode"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

const (
	maxKept            = 255
	maxBucketPrecision = 37
	keptAllowed        = "a number of characters from 0 to 255"
	protections        = "Hash, HashUnder, Tokenise, Drop, Null, Mask, Prefix, Bucket, ToDay, ToMonth, ToQuarter, ToYear"
	distinctAllowed    = "a column with Protect: None, Hash or Tokenise"
)

var (
	hashKeyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,30}$`)
	vaultPattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
)

// checkProtection judges the protection against the column's type, which is known to be one.
func (c Column) checkProtection(l *check.List) {
	p := c.Protect
	switch p.kind {
	case kindHash:
		if p.named && !hashKeyPattern.MatchString(p.key) {
			l.Add("Protect", "has no name for a key", p, "Hash, which is under the lake's own; or a name of 1 to 31 lower-case letters, digits and _ that does not start with _")
		}
	case kindTokenise:
		if !vaultPattern.MatchString(p.vault) {
			l.Add("Protect", "has no name for a vault", p, "a lower-case letter, then up to 30 lower-case letters, digits and _")
		}
	case kindMask:
		c.checkText(l, "a mask replaces characters of text")
		if p.first < 0 || p.first > maxKept {
			l.Add("Protect.First", "is out of range", p.first, keptAllowed)
		}
		if p.last < 0 || p.last > maxKept {
			l.Add("Protect.Last", "is out of range", p.last, keptAllowed)
		}
		if !unicode.IsGraphic(p.rest) || unicode.In(p.rest, unicode.M, unicode.Z) {
			l.Add("Protect.Rest", "cannot stand for a character", fmt.Sprintf("%+q", p.rest), "a character that prints, such as '*' or '#'")
		}
	case kindPrefix:
		c.checkText(l, "a prefix is the start of text")
		if p.length < 1 || p.length > maxKept {
			l.Add("Protect", "has a length that is out of range", p, "1 to 255 characters; Null keeps none")
		}
	case kindTruncate:
		switch {
		case c.Type == Date && p == ToDay:
			l.Add("Protect", "leaves every value as it is: a date is a day already", p, "ToMonth, ToQuarter, ToYear")
		case c.Type != Date && c.Type != Timestamp:
			l.Add("Protect", "cuts dates and timestamps, but the column is of type "+string(c.Type), p, "a column of type date or timestamp")
		}
	case kindBucket:
		c.checkBucket(l)
	}
}

func (c Column) checkText(l *check.List, does string) {
	if c.Type != String {
		l.Add("Protect", does+", but the column is of type "+string(c.Type), c.Protect, "a column of type string; Bucket for numbers, ToMonth for dates; Hash, Null, Drop for any type")
	}
}

func (c Column) checkBucket(l *check.List) {
	p := c.Protect
	precision, scale, isDecimal := c.Type.decimal()
	switch {
	case c.Type != Int && c.Type != Bigint && c.Type != Double && !isDecimal:
		l.Add("Protect", "groups numbers, but the column is of type "+string(c.Type), p, "a column of type int, bigint, double or decimal")
		return
	case check.Unresolved(p.width):
		l.Add("Protect", "is known only at deployment, but the manifest is written at synth", p.width, "a literal width")
		return
	case precision > maxBucketPrecision:
		l.Add("Protect", "is not exact for decimals of 38 digits", p, "a column of type decimal with at most 37 digits")
		return
	}
	// Whole widths below 2^31 are those that a double's remainder is exact with.
	kind := c.Type
	if kind == Double {
		kind = Int
	}
	width, err := kind.parse(p.width)
	if err != nil {
		l.Add("Protect", "its width does not suit the type "+string(c.Type), p.width, err.Error())
		return
	}
	step := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	switch {
	case width.Sign() <= 0:
		l.Add("Protect", "has no width", p, "a number above zero")
	case c.Type != Double && width.Cmp(step) == 0:
		l.Add("Protect", "leaves every value as it is: each is a bucket of its own", p, "a larger width")
	}
}
