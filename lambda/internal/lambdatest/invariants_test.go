package lambdatest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
)

type row map[string]types.AttributeValue

func (r row) s(name string) string {
	if v, ok := r[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (r row) m(name string) row {
	if v, ok := r[name].(*types.AttributeValueMemberM); ok {
		return v.Value
	}
	return nil
}

func (r row) n(name string) string {
	if v, ok := r[name].(*types.AttributeValueMemberN); ok {
		return v.Value
	}
	return ""
}

// unread are the keys of the objects that the batch could not read.
func (r row) unread() map[string]bool {
	keys := map[string]bool{}
	if list, ok := r["unreadable"].(*types.AttributeValueMemberL); ok {
		for _, e := range list.Value {
			if m, ok := e.(*types.AttributeValueMemberM); ok {
				keys[row(m.Value).s("key")] = true
			}
		}
	}
	return keys
}

// rows is the whole ledger.
func (w *world) rows() []row {
	w.t.Helper()
	var rows []row
	in := &dynamodb.ScanInput{TableName: &w.table.Name, ConsistentRead: aws.Bool(true)}
	for {
		out, err := dynamo.Scan(w.t.Context(), in)
		must(w.t, err)
		for _, item := range out.Items {
			rows = append(rows, item)
		}
		if len(out.LastEvaluatedKey) == 0 {
			return rows
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// dump is the whole ledger as text that is the same for the same content.
func (w *world) dump() string {
	w.t.Helper()
	var lines []string
	for _, r := range w.rows() {
		var item map[string]any
		must(w.t, attributes(r, &item))
		line, err := json.Marshal(item)
		must(w.t, err)
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func attributes(r row, into *map[string]any) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// always checks what holds at every moment: no dataset in two live runs, no batch in two, tokens that never fall and
// that rise whenever a run takes over from another.
func (w *world) always(tokens map[string]string) (problem string) {
	live := map[string]string{}
	byName := map[string]row{}
	rows := w.rows()
	for _, r := range rows {
		if strings.HasPrefix(r.s("pk"), "run#") {
			var attempt int
			_, _ = fmt.Sscan(strings.TrimLeft(r.s("sk"), "0"), &attempt)
			byName[contract.ExecutionName(strings.TrimPrefix(r.s("pk"), "run#"), attempt)] = r
		}
	}
	for _, r := range rows {
		switch {
		case r.s("pk") == "live":
			record := byName[r.s("sk")]
			if record.s("state") != "running" {
				return fmt.Sprintf("live run %s has state %q", r.s("sk"), record.s("state"))
			}
			for dataset := range record.m("leases") {
				if other := live[dataset]; other != "" {
					return fmt.Sprintf("dataset %s is in two live runs, %s and %s", dataset, other, r.s("sk"))
				}
				live[dataset] = r.s("sk")
			}
		case strings.HasPrefix(r.s("pk"), "lease#"):
			last, now := tokens[r.s("pk")], r.n("token")
			if len(now) < len(last) || (len(now) == len(last) && now < last) {
				return fmt.Sprintf("token of %s fell from %s to %s", r.s("pk"), last, now)
			}
			tokens[r.s("pk")] = now
		}
	}
	return ""
}

// settled checks what holds once nothing is left to do, for the objects that landed.
func (p *pipeline) settled(landed map[string]string) {
	p.t.Helper()
	claims := map[string]string{} // object → batch, from the frozen lists
	unread := map[string][]string{}
	states := map[string]string{}
	batchOf := map[string]string{}
	for _, r := range p.rows() {
		pk, sk := r.s("pk"), r.s("sk")
		switch {
		case pk == "open" || pk == "live" || strings.HasPrefix(sk, "pending#") || (pk == "dirty" && sk != "!publish"):
			p.t.Errorf("left over: %s %s", pk, sk)
		case strings.HasPrefix(pk, "lease#") && r.s("state") != "free":
			p.t.Errorf("%s is held by %s", pk, r.s("run"))
		case strings.HasPrefix(pk, "batch#"):
			if s := r.s("state"); s == "frozen" || s == "running" {
				p.t.Errorf("%s is %s", pk, s)
			}
			passed := r.unread()
			for _, o := range p.list(pk[len("batch#"):]) {
				if passed[o] { // an object that could not be read may be taken up by a later batch
					unread[o] = append(unread[o], pk)
					continue
				}
				if other := claims[o]; other != "" {
					p.t.Errorf("object %s is in two batches, %s and %s", o, other, pk)
				}
				claims[o] = pk
			}
		case strings.HasPrefix(pk, "run#"):
			if r.s("state") == "running" {
				p.t.Errorf("%s %s is still running", pk, sk)
			}
		case strings.HasPrefix(pk, "inbox#") && strings.HasPrefix(sk, "object#") && r.s("state") != "ignored":
			states[r.s("key")], batchOf[r.s("key")] = r.s("state"), r.s("batch")
		}
	}
	for key := range landed {
		if claims[key] == "" && slices.Contains(unread[key], "batch#"+batchOf[key]) {
			claims[key] = "batch#" + batchOf[key]
		}
		if claims[key] == "" {
			p.t.Errorf("object %s is in no batch", key)
		}
		if s := states[key]; s != "claimed" && s != "unreadable" {
			p.t.Errorf("object %s is %q", key, s)
		}
		if "batch#"+batchOf[key] != claims[key] {
			p.t.Errorf("object %s is claimed by %q, but in the list of %s", key, batchOf[key], claims[key])
		}
	}
	for batch := range p.applied {
		if !p.published[batch] {
			p.t.Errorf("batch %s is applied but not published", batch)
		}
	}
	told := map[string]bool{}
	for _, m := range p.topic.messages {
		_, after, _ := strings.Cut(aws.ToString(m.Message), "\nRun: ")
		name, _, _ := strings.Cut(after, "\n")
		if told[name] {
			p.t.Errorf("people were told twice about run %s", name)
		}
		told[name] = true
	}
}

// list are the keys of a batch's frozen list.
func (w *world) list(batch string) []string {
	w.t.Helper()
	key := contract.BatchListKey(batch)
	out, err := objects.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	must(w.t, err)
	defer out.Body.Close()
	var list contract.BatchList
	must(w.t, json.NewDecoder(out.Body).Decode(&list))
	var keys []string
	for _, o := range list.Objects {
		keys = append(keys, o.Key)
	}
	return keys
}
