package transform

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/lambda/contract"
)

func routes() *Routes {
	return NewRoutes(contract.Routing{Field: "dataset", Datasets: []string{"web.events", "web.errors"}})
}

func TestRoute(t *testing.T) {
	long := strings.Repeat("n", 63)
	tests := []struct{ name, give, want string }{
		{"declared", `{"dataset":"web.errors"}`, "web.errors"},
		{"spaces everywhere", " \t\r\n{ \"a\" : [ 1 , { } ] ,\n\"dataset\"\t: \"web.errors\" } \n", "web.errors"},
		{"escaped key and value", `{"d\u0061taset":"web\u002eerrors"}`, "web.errors"},
		{"the last of a repeated field", `{"dataset":"web.events","dataset":"web.errors"}`, "web.errors"},
		{"the last one even if it is no name", `{"dataset":"web.errors","dataset":null}`, "web.events"},
		{"the last one even if it is escaped", `{"dataset":"web.events","\u0064ataset":"web.errors"}`, "web.errors"},
		{"case counts", `{"Dataset":"web.errors","DATASET":"web.errors"}`, "web.events"},
		{"nested fields do not count", `{"meta":{"dataset":"web.errors"},"list":[{"dataset":"web.errors"}]}`, "web.events"},
		{"text that looks like a field", `{"a":"\"dataset\":\"web.errors\"","b":"}"}`, "web.events"},
		{"after every kind of value", `{"a":-1.5e3,"b":true,"c":null,"d":"x\\\"","e":{"f":["]","}"]},"dataset":"web.errors"}`, "web.errors"},
		{"undeclared", `{"dataset":"shop.carts"}`, "shop.carts"},
		{"longest names", `{"dataset":"` + long + "." + long + `"}`, long + "." + long},
		{"name too long", `{"dataset":"` + long + `n.x"}`, "web.events"},
		{"no name", `{"dataset":"Web.Errors"}`, "web.events"},
		{"no name of two parts", `{"dataset":"web.errors.x"}`, "web.events"},
		{"the lake's own name", `{"dataset":"_unrouted._unrouted"}`, "web.events"},
		{"number", `{"dataset":1}`, "web.events"},
		{"field is missing", `{}`, "web.events"},
		{"no object", `["dataset","web.errors"]`, "web.events"},
		{"empty", ``, "web.events"},
		{"blank", " \n", "web.events"},
		{"no JSON", `dataset=web.errors`, "web.events"},
		{"cut off", `{"dataset":"web.errors"`, "web.events"},
		{"more after the object", `{"dataset":"web.errors"}]`, "web.events"},
		{"not UTF-8", "{\"dataset\":\"web.errors\",\"a\":\"\xff\xfe\"}", "web.errors"},
		{"name is not UTF-8", "{\"dataset\":\"web.err\xffors\"}", "web.events"},
		{"lines that agree", "{\"dataset\":\"web.errors\"}\r\n{\"dataset\":\"web.errors\",\"a\":1}\n", "web.errors"},
		{"lines of which one is broken", "{\"dataset\":\"web.errors\"}\n{\"a\n", "web.errors"},
		{"lines of which one has no name", "{}\n{\"dataset\":\"web.errors\"}", "web.errors"},
		{"lines that disagree", "{\"dataset\":\"web.errors\"}\n{\"dataset\":\"web.events\"}", "web.events"},
		{"objects without a line break", `{"dataset":"web.errors"}{"dataset":"web.errors"}`, "web.events"},
		{"one object over lines", "{\"a\":1,\n\"dataset\":\"web.errors\"}", "web.errors"},
		{"deeper than encoding/json goes", `{"dataset":"web.errors","a":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}`, "web.events"},
	}
	for _, tt := range tests {
		if got := routes().Of([]byte(tt.give)); got != tt.want {
			t.Errorf("%s: %.80q goes to %s, want %s", tt.name, tt.give, got, tt.want)
		}
		want := tt.want
		if want == "web.events" {
			want = ""
		}
		if got := reference(tt.give, "dataset"); got != want && got != tt.want {
			t.Errorf("%s: the reference says %q, want %q", tt.name, got, want)
		}
	}
}

// The refine job judges each record by the same records: see test_json_text.py.
func TestRoutesAreReadAsTheJobReadsThem(t *testing.T) {
	text, err := os.ReadFile("testdata/routes.json")
	if err != nil {
		t.Fatal(err)
	}
	var corpus []struct{ Record, Route string }
	if err := json.Unmarshal(text, &corpus); err != nil {
		t.Fatal(err)
	}
	for _, tt := range corpus {
		if got := nameOf([]byte(tt.Record), "d"); got != tt.Route {
			t.Errorf("%s: got %q, want %q", tt.Record, got, tt.Route)
		}
	}
}

func TestRouteOfASingleDataset(t *testing.T) {
	single := NewRoutes(contract.Routing{Datasets: []string{"web.events"}})
	for _, record := range []string{`{"":"a.b","dataset":"web.errors"}`, "a,b,c", ""} {
		if got := single.Of([]byte(record)); got != "web.events" {
			t.Errorf("%q goes to %s", record, got)
		}
	}
}

// Names nobody has declared cannot use up the active partitions of the stream.
func TestUnknownNamesAreBounded(t *testing.T) {
	r := routes()
	got := map[string]int{}
	for range 2 {
		for i := range 100 {
			got[r.Of(fmt.Appendf(nil, `{"dataset":"rogue.name_%d"}`, i))]++
		}
	}
	if len(got) != maxUnknown+1 || got["_unrouted._unrouted"] != 2*(100-maxUnknown) || got["rogue.name_0"] != 2 {
		t.Errorf("200 records of 100 unknown names have %d routes: %v", len(got), got)
	}
	if declared := r.Of([]byte(`{"dataset":"web.errors"}`)); declared != "web.errors" {
		t.Errorf("a declared name goes to %s", declared)
	}
}

func BenchmarkRoute(b *testing.B) {
	record := []byte(`{"event_id":"7f3c","at":"2026-01-31T06:00:00Z","user":{"id":17,"agent":"Mozilla/5.0 (X11; Linux)"},` +
		`"path":"/cart/items/4711","referrer":"https://shop.example/list?page=3","dataset":"web.errors","amount":12.5}`)
	b.Run("routes", func(b *testing.B) {
		r := routes()
		b.SetBytes(int64(len(record)))
		b.ReportAllocs()
		for b.Loop() {
			r.Of(record)
		}
	})
	b.Run("reference", func(b *testing.B) {
		b.SetBytes(int64(len(record)))
		b.ReportAllocs()
		for b.Loop() {
			reference(string(record), "dataset")
		}
	})
}
