package readme

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/lambda/contract"
)

// pages are what users act by.
var pages = []string{"README.md", "docs/deploy.md", "docs/runbook.md"}

// requests are the fields that each action of a function takes, read from the source: requests are internal types.
func requests(t *testing.T) map[string][]string {
	t.Helper()
	takes := map[string][]string{}
	for handler, actions := range map[string][]string{
		"dispatch":    {contract.ActionDrain, contract.ActionSweep, contract.ActionPublish, contract.ActionReplay},
		"redeliver":   {contract.ActionRedeliver},
		"reconcile":   {contract.ActionReconcile},
		"replication": {contract.ActionStart, contract.ActionStop},
	} {
		fields := requestFields(t, filepath.Join("../../lambda/internal", handler))
		for _, a := range actions {
			takes[a] = fields
		}
	}
	for _, alone := range []string{contract.ActionDrain, contract.ActionSweep, contract.ActionPublish, contract.ActionReconcile} {
		takes[alone] = []string{"action"}
	}
	return takes
}

// requestFields are the JSON names of a package's Request.
func requestFields(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != "Request" {
				return true
			}
			for _, f := range spec.Type.(*ast.StructType).Fields.List {
				tag, _ := strconv.Unquote(f.Tag.Value)
				name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
				names = append(names, name)
			}
			return false
		})
	}
	if !slices.Contains(names, "action") {
		t.Fatalf("%s has no Request with an action", folder)
	}
	return names
}

var request = regexp.MustCompile(`\{"action":[^{}]*\}`)

// refused are the requests in a text that no function takes.
func refused(text string, takes map[string][]string) (bad []string) {
	for _, found := range request.FindAllString(text, -1) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(found), &fields); err != nil {
			bad = append(bad, found+": "+err.Error())
			continue
		}
		action, _ := fields["action"].(string)
		for name := range fields {
			if !slices.Contains(takes[action], name) {
				bad = append(bad, found+": no "+name+" in a request "+strconv.Quote(action))
			}
		}
	}
	return bad
}

func TestRequestsExist(t *testing.T) {
	takes, found := requests(t), 0
	for _, page := range pages {
		text := read(t, filepath.Join("../..", page))
		found += len(request.FindAllString(text, -1))
		for _, bad := range refused(text, takes) {
			t.Errorf("%s: %s", page, bad)
		}
	}
	if found < 12 {
		t.Errorf("only %d requests are found: is the expression right?", found)
	}
}

func TestRefusedRequestIsFound(t *testing.T) {
	text := `{"action":"replay","state":"failed"} {"action":"replay","state":"failed","dry":true} {"action":"sweep","batch":"x"} {"action":"heal"}`
	if got := refused(text, requests(t)); len(got) != 3 {
		t.Errorf("got %q", got)
	}
}

// stack is what the guides name of the template.
type stack struct {
	outputs, alarms, others []string
}

func theStack(t *testing.T) stack {
	t.Helper()
	var parsed struct {
		Outputs   map[string]any
		Resources map[string]struct{ Type string }
	}
	if err := json.Unmarshal([]byte(read(t, template)), &parsed); err != nil {
		t.Fatal(err)
	}
	const hash = 8
	var s stack
	for key := range parsed.Outputs {
		s.outputs = append(s.outputs, key[:len(key)-hash])
	}
	for key, r := range parsed.Resources {
		if key = key[:max(0, len(key)-hash)]; r.Type == "AWS::CloudWatch::Alarm" {
			s.alarms = append(s.alarms, key)
		} else {
			s.others = append(s.others, key)
		}
	}
	return s
}

func endsOne(names []string, end string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, end) })
}

var (
	quoted    = regexp.MustCompile("`<?([A-Z][a-z]+[A-Z][A-Za-z]*)>?`")
	inCommand = regexp.MustCompile(`"<([A-Z][A-Za-z]+)>"`)
)

// TestNamesExist: what stands in quotes as a name is an output, an alarm, another resource, or a name of the library.
func TestNamesExist(t *testing.T) {
	s, source := theStack(t), librarySource(t)
	for _, page := range pages {
		text := read(t, filepath.Join("../..", page))
		for _, match := range quoted.FindAllStringSubmatch(text, -1) {
			name := match[1]
			known := endsOne(s.outputs, name) || endsOne(s.alarms, name) || endsOne(s.others, name)
			if !known && !regexp.MustCompile(`\b`+name+`\b`).MatchString(source) {
				t.Errorf("%s: `%s` is no output, alarm or resource of the quickstart and no name in constructs or lambda/contract", page, name)
			}
		}
		for _, match := range inCommand.FindAllStringSubmatch(text, -1) {
			if !endsOne(s.others, match[1]) {
				t.Errorf("%s: no resource of the quickstart is called %s", page, match[1])
			}
		}
	}
}

func librarySource(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, root := range []string{"../../constructs", "../../lambda/contract"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

var (
	word = regexp.MustCompile("`([A-Za-z]+)`")
	// leaf is the last construct's id in the logical id of an output: two words, and Arn.
	leaf = regexp.MustCompile(`[A-Z][a-z]+[A-Z][a-z]+(Arn)?$`)
)

// TestEveryAlarmAndOutputIsExplained: nobody is woken by an alarm of which the runbook says nothing.
func TestEveryAlarmAndOutputIsExplained(t *testing.T) {
	s, runbook := theStack(t), read(t, "../../docs/runbook.md")
	var explained []string
	for _, row := range table(t, runbook, "## Alarms") {
		for _, match := range word.FindAllStringSubmatch(row[0], -1) {
			explained = append(explained, match[1])
		}
	}
	for _, alarm := range s.alarms {
		if !slices.ContainsFunc(explained, func(name string) bool { return strings.HasSuffix(alarm, name) }) {
			t.Errorf("docs/runbook.md: no row on the alarm %s", alarm)
		}
	}
	guides := runbook + read(t, guide)
	for _, output := range s.outputs {
		if name := leaf.FindString(output); name == "" || !strings.Contains(guides, "`"+name+"`") {
			t.Errorf("neither guide says what the output %s (%s) is for", output, name)
		}
	}
}
