package conv_test

import (
	"testing"

	"github.com/strata-cdk/strata/constructs/internal/conv"
)

func TestAbsentValuesStayAbsent(t *testing.T) {
	if conv.Text("") != nil || conv.StringMap(nil) != nil || conv.Duration(0) != nil {
		t.Error("an absent value became a present one")
	}
	if got := conv.Text("a"); *got != "a" {
		t.Errorf("got %s", *got)
	}
}

func TestStringMapKeepsEachValue(t *testing.T) {
	got := conv.StringMap(map[string]string{"a": "1", "b": ""})
	if len(*got) != 2 || *(*got)["a"] != "1" || *(*got)["b"] != "" {
		t.Errorf("got %v", got)
	}
}
