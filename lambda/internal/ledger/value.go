package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is a stored record.
type Item map[string]types.AttributeValue

// Values are attribute values of a write, by attribute name or by placeholder without its colon. Allowed are string,
// bool, int, int64, []string, []any and map[string]any of these, map[string]string, map[string]int64 and nil.
type Values map[string]any

func encode(v any) types.AttributeValue {
	switch v := v.(type) {
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case int:
		return &types.AttributeValueMemberN{Value: strconv.Itoa(v)}
	case int64:
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
	case []string:
		list := make([]types.AttributeValue, len(v))
		for i, e := range v {
			list[i] = encode(e)
		}
		return &types.AttributeValueMemberL{Value: list}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i, e := range v {
			list[i] = encode(e)
		}
		return &types.AttributeValueMemberL{Value: list}
	case map[string]any:
		return encodeMap(v)
	case map[string]string:
		return encodeMap(v)
	case map[string]int64:
		return encodeMap(v)
	default:
		panic(fmt.Sprintf("ledger: no attribute value for a %T", v))
	}
}

func encodeMap[V any](m map[string]V) types.AttributeValue {
	out := make(map[string]types.AttributeValue, len(m))
	for k, e := range m {
		out[k] = encode(e)
	}
	return &types.AttributeValueMemberM{Value: out}
}

// text reads a string attribute; a number reads as its digits, since jobs may store a snapshot id either way.
func (i Item) text(name string) string {
	switch v := i[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	default:
		return ""
	}
}

func (i Item) number(name string) int64 {
	v, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64)
	return n
}

func (i Item) flag(name string) bool {
	v, ok := i[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

func (i Item) numbers(name string) map[string]int64 {
	v, ok := i[name].(*types.AttributeValueMemberM)
	if !ok {
		return nil
	}
	out := make(map[string]int64, len(v.Value))
	inner := Item(v.Value)
	for k := range v.Value {
		out[k] = inner.number(k)
	}
	return out
}

func (i Item) texts(name string) []string {
	v, ok := i[name].(*types.AttributeValueMemberL)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(v.Value))
	for _, e := range v.Value {
		if s, ok := e.(*types.AttributeValueMemberS); ok {
			out = append(out, s.Value)
		}
	}
	return out
}

func (i Item) maps(name string) []Item {
	v, ok := i[name].(*types.AttributeValueMemberL)
	if !ok {
		return nil
	}
	out := make([]Item, 0, len(v.Value))
	for _, e := range v.Value {
		if m, ok := e.(*types.AttributeValueMemberM); ok {
			out = append(out, m.Value)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (i Item) inner(name string) (Item, bool) {
	v, ok := i[name].(*types.AttributeValueMemberM)
	if !ok {
		return nil, false
	}
	return v.Value, true
}
