package readme

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	guide    = "../../docs/deploy.md"
	template = "../../test/golden/quickstart.Commerce.json"
)

// hours of a month, and days, as the guide reckons.
const hours, days = 730, 30.4

// table is the rows of the first table below a heading, without its head.
func table(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n"+heading+"\n")
	if !found {
		t.Fatalf("the guide has no heading %q", heading)
	}
	var rows [][]string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows[2:]
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.Trim(text, "*"), ",", ""), 64)
	if err != nil {
		t.Fatalf("%q is no figure", text)
	}
	return n
}

func cents(f float64) string { return fmt.Sprintf("%.2f", f) }

// counts are the template's resources by type.
func counts(t *testing.T) map[string]int {
	t.Helper()
	var stack struct {
		Resources map[string]struct{ Type string }
	}
	if err := json.Unmarshal([]byte(read(t, template)), &stack); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, r := range stack.Resources {
		n[r.Type]++
	}
	return n
}

var resourceType = regexp.MustCompile("`(AWS::[A-Za-z0-9]+::[A-Za-z0-9]+)`")

// wrong is what the cost table says wrongly of a template: types it lacks or has too many, and other numbers.
func wrong(idle [][]string, free []string, found map[string]int) (problems []string) {
	known := map[string]bool{}
	for _, f := range free {
		known[f] = true
		if found[f] == 0 {
			problems = append(problems, f+" is free, but is not in the template")
		}
	}
	for _, row := range idle {
		match := resourceType.FindStringSubmatch(row[0])
		if match == nil {
			continue // the sum
		}
		known[match[1]] = true
		parts := strings.Split(row[1], " of ")
		if total := parts[len(parts)-1]; total != strconv.Itoa(found[match[1]]) {
			problems = append(problems, fmt.Sprintf("%s: the table says %s, the template has %d", match[1], total, found[match[1]]))
		}
	}
	for name := range found {
		if !known[name] {
			problems = append(problems, name+" is neither in the cost table nor among what is free of charge")
		}
	}
	slices.Sort(problems)
	return problems
}

func freeTypes(page string) (free []string) {
	_, rest, _ := strings.Cut(page, "Free of charge by themselves:")
	paragraph, _, _ := strings.Cut(rest, "\n\n")
	for _, match := range resourceType.FindAllStringSubmatch(paragraph, -1) {
		free = append(free, match[1])
	}
	return free
}

func TestCostTableIsTheTemplates(t *testing.T) {
	page := read(t, guide)
	for _, problem := range wrong(table(t, page, "### Idle"), freeTypes(page), counts(t)) {
		t.Error("docs/deploy.md: " + problem)
	}
}

func TestWrongCostTableIsFound(t *testing.T) {
	idle := [][]string{{"`AWS::KMS::Key`", "5"}, {"`AWS::SQS::Queue`", "2 of 5"}, {"**sum**", ""}}
	found := map[string]int{"AWS::KMS::Key": 6, "AWS::SQS::Queue": 5, "AWS::EC2::NatGateway": 1}
	got := strings.Join(wrong(idle, []string{"AWS::IAM::Role"}, found), "\n")
	const want = "AWS::EC2::NatGateway is neither in the cost table nor among what is free of charge\n" +
		"AWS::IAM::Role is free, but is not in the template\nAWS::KMS::Key: the table says 5, the template has 6"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestWhatStaysIsCounted holds the guide's list of what a destroyed stack leaves to the template's deletion policies.
func TestWhatStaysIsCounted(t *testing.T) {
	var stack struct {
		Resources map[string]struct{ Type, DeletionPolicy string }
	}
	if err := json.Unmarshal([]byte(read(t, template)), &stack); err != nil {
		t.Fatal(err)
	}
	kept := map[string]int{}
	for _, r := range stack.Resources {
		if r.DeletionPolicy == "Retain" {
			kept[r.Type]++
		}
	}
	page := strings.Join(strings.Fields(read(t, guide)), " ")
	_, rest, _ := strings.Cut(page, "**What stays**")
	for name, words := range map[string]string{
		"AWS::S3::Bucket": "%d buckets", "AWS::KMS::Key": "%d keys", "AWS::Glue::Database": "%d Glue databases", "AWS::Logs::LogGroup": "%d log groups",
	} {
		if want := fmt.Sprintf(words, kept[name]); !strings.Contains(rest, want) {
			t.Errorf("docs/deploy.md, what stays: want %q", want)
		}
	}
}

func TestCostsAddUp(t *testing.T) {
	page := read(t, guide)
	price := map[string]float64{}
	for _, row := range table(t, page, "### Per unit") {
		price[row[0]] = number(t, row[1])
		if !strings.HasPrefix(row[2], "https://aws.amazon.com/") || !strings.Contains(row[3], "2026-") && !strings.Contains(row[3], "*assumed*") {
			t.Errorf("%s: no page, or neither a date nor the word assumed: %q, %q", row[0], row[2], row[3])
		}
	}
	of := func(unit string) float64 {
		p, ok := price[unit]
		if !ok {
			t.Fatalf("the guide has no price of %q", unit)
		}
		return p
	}
	each := map[string]float64{
		"AWS::DMS::ReplicationConfig": hours * of("DMS: capacity unit and hour"),
		"AWS::EC2::VPCEndpoint":       2 * hours * of("VPC: interface endpoint, zone and hour"),
		"AWS::KMS::Key":               of("KMS: key and month"),
		"AWS::CloudWatch::Alarm":      of("CloudWatch: alarm and month"),
		"AWS::SecretsManager::Secret": of("Secrets Manager: secret and month"),
	}
	sum := 0.0
	for _, row := range table(t, page, "### Idle") {
		match := resourceType.FindStringSubmatch(row[0])
		if match == nil {
			if got := strings.Trim(row[3], "*"); got != cents(sum) {
				t.Errorf("idle: the sum is %s, the guide says %s", cents(sum), got)
			}
			continue
		}
		billed, _, _ := strings.Cut(row[1], " of ")
		if want, ok := each[match[1]]; ok && row[2] != cents(want) {
			t.Errorf("%s: the price list gives %s each, the guide says %s", match[1], cents(want), row[2])
		}
		if want := cents(number(t, billed) * number(t, row[2])); row[3] != want {
			t.Errorf("%s: %s times %s is %s, the guide says %s", match[1], billed, row[2], want, row[3])
		}
		sum += number(t, row[3])
	}
	minute := 2 * of("Glue: DPU-hour, per second, 1 minute at least") / 60
	for _, row := range table(t, page, "### What a lake costs in use") {
		if want := cents(number(t, row[1]) * number(t, row[2]) * days * minute); row[3] != want {
			t.Errorf("Glue, %s: %s, the guide says %s", row[0], want, row[3])
		}
	}
	checkMonth(t, page, cents(sum))
}

// checkMonth adds up the month in use, which begins with what is idle and ends with the sum.
func checkMonth(t *testing.T, page, idle string) {
	t.Helper()
	_, rest, _ := strings.Cut(page, "### What a lake costs in use\n")
	_, rest, _ = strings.Cut(rest, "in its first month:")
	rows := table(t, "\n## month\n"+rest, "## month")
	if rows[0][2] != idle {
		t.Errorf("the month begins with %s, idle is %s", rows[0][2], idle)
	}
	sum := 0.0
	for _, row := range rows[:len(rows)-1] {
		sum += number(t, row[2])
	}
	if total := number(t, rows[len(rows)-1][2]); math.Abs(total-sum) > 0.005 {
		t.Errorf("the month sums up to %s, the guide says %s", cents(sum), cents(total))
	}
}
