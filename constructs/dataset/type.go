package dataset

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const maxPrecision = 38

var (
	decimalType  = regexp.MustCompile(`^decimal\((-?\d+),(-?\d+)\)$`)
	decimalText  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	dateText     = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	timestampFmt = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$`)
)

func (t Type) problem() (problem, allowed string) {
	const types = "String, Boolean, Int, Bigint, Double, Date, Timestamp, Decimal(precision, scale)"
	switch t {
	case String, Boolean, Int, Bigint, Double, Date, Timestamp:
		return "", ""
	case "":
		return "is missing", types
	}
	p, s, ok := t.decimal()
	if !ok {
		return "is no type", types
	}
	if p < 1 || p > maxPrecision || s < 0 || s > p || t != Decimal(p, s) {
		return "is no decimal the tables can hold", "Decimal(p, s) with p from 1 to 38 and s from 0 to p"
	}
	return "", ""
}

func (t Type) decimal() (precision, scale int, ok bool) {
	m := decimalType.FindStringSubmatch(string(t))
	if m == nil {
		return 0, 0, false
	}
	p, errP := strconv.Atoi(m[1])
	s, errS := strconv.Atoi(m[2])
	return p, s, errP == nil && errS == nil
}

// parse reads a bound or set value as the type does, as a number that orders it. Text has no order: it gives zero.
func (t Type) parse(text string) (*big.Rat, error) {
	switch t {
	case String:
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("UTF-8")
		}
		return new(big.Rat), nil
	case Int, Bigint:
		return parseWhole(t, text)
	case Date:
		return parseTime(text, dateText, "2006-01-02", "a date like 2006-01-31")
	case Timestamp:
		return parseTime(text, timestampFmt, "2006-01-02T15:04:05", "a timestamp like 2006-01-31T15:04:05 or 2006-01-31T15:04:05.000001 (UTC)")
	}
	if !decimalText.MatchString(text) {
		return nil, fmt.Errorf("a number like 12 or -0.5, without exponent, leading zeros or plus sign")
	}
	value, _ := new(big.Rat).SetString(text)
	if p, s, ok := t.decimal(); ok {
		whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
		if whole == "0" {
			whole = ""
		}
		if len(whole) > p-s || len(fraction) > s {
			return nil, fmt.Errorf("a number with at most %d digits before the point and %d after it", p-s, s)
		}
	} else if f, _ := value.Float64(); f > maxDouble || f < -maxDouble {
		return nil, fmt.Errorf("a number that a double can hold")
	}
	return value, nil
}

const maxDouble = 1.7976931348623157e308

func parseWhole(t Type, text string) (*big.Rat, error) {
	bits := 64
	if t == Int {
		bits = 32
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return nil, fmt.Errorf("a whole number of %d bits, without leading zeros or plus sign", bits)
	}
	return new(big.Rat).SetInt64(n), nil
}

func parseTime(text string, form *regexp.Regexp, layout, example string) (*big.Rat, error) {
	at, err := time.Parse(layout, text)
	if err != nil || !form.MatchString(text) || at.Year() < 1 {
		return nil, fmt.Errorf("%s", example)
	}
	return new(big.Rat).SetInt64(at.UnixMicro()), nil
}
