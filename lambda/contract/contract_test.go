package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata/ids.golden.json")

// goldenIDs are vectors that the jobs and the rehearsal check their own functions against.
type goldenIDs struct {
	Objects []goldenObject `json:"objects"`
	Batches []goldenBatch  `json:"batches"`
	Runs    []goldenRun    `json:"runs"`
}

type goldenObject struct {
	ObjectID
	Hash string `json:"hash"`
}

type goldenBatch struct {
	Lake    string     `json:"lake"`
	Dataset string     `json:"dataset"`
	Objects []ObjectID `json:"objects"`
	Batch   string     `json:"batch"`
}

type goldenRun struct {
	Batches []string `json:"batches"`
	Attempt int      `json:"attempt"`
	Run     string   `json:"run"`
	Name    string   `json:"name"`
}

func TestIDsMatchGolden(t *testing.T) {
	const path = "testdata/ids.golden.json"
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want goldenIDs
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	if *update {
		for i, o := range want.Objects {
			want.Objects[i].Hash = ObjectHash(o.Key, o.Version)
		}
		for i, b := range want.Batches {
			want.Batches[i].Batch = BatchID(b.Lake, b.Dataset, b.Objects)
		}
		for i, r := range want.Runs {
			want.Runs[i].Run = RunID(r.Batches)
			want.Runs[i].Name = ExecutionName(want.Runs[i].Run, r.Attempt)
		}
		body, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range want.Objects {
		if got := ObjectHash(o.Key, o.Version); got != o.Hash {
			t.Errorf("ObjectHash(%q, %q) = %s, want %s", o.Key, o.Version, got, o.Hash)
		}
	}
	for _, b := range want.Batches {
		if got := BatchID(b.Lake, b.Dataset, b.Objects); got != b.Batch {
			t.Errorf("BatchID(%+v) = %s, want %s", b, got, b.Batch)
		}
	}
	for _, r := range want.Runs {
		if got := RunID(r.Batches); got != r.Run || ExecutionName(got, r.Attempt) != r.Name {
			t.Errorf("RunID(%v) = %s, want %s (%s)", r.Batches, got, r.Run, r.Name)
		}
	}
	if len(want.Objects) < 4 || len(want.Batches) < 3 || len(want.Runs) < 3 {
		t.Error("vectors are missing")
	}
}

func TestIDsDoNotDependOnOrder(t *testing.T) {
	a := []ObjectID{{"k", "2"}, {"k", "1"}, {"j", "3"}}
	b := []ObjectID{{"j", "3"}, {"k", "1"}, {"k", "2"}}
	if BatchID("l", "d.e", a) != BatchID("l", "d.e", b) {
		t.Error("a batch id depends on the order of its objects")
	}
	if a[0].Version != "2" {
		t.Error("BatchID sorts what the caller passed")
	}
	if RunID([]string{"x", "y"}) != RunID([]string{"y", "x"}) {
		t.Error("a run id depends on the order of its batches")
	}
}

func TestLoadBatchesOfEmptyTablesDiffer(t *testing.T) {
	two, three := LoadBatchID("l", "d.e", 2, nil), LoadBatchID("l", "d.e", 3, nil)
	if two == three || two == BatchID("l", "d.e", nil) {
		t.Errorf("empty loads of generations 2 and 3 are batches %s and %s", two, three)
	}
	sum := sha256.Sum256([]byte("l\nd.e\nk\x00v\n\x00load\x002\n"))
	want := hex.EncodeToString(sum[:])[:32]
	if got := LoadBatchID("l", "d.e", 2, []ObjectID{{"k", "v"}}); got != want {
		t.Errorf("LoadBatchID = %s, want %s", got, want)
	}
}

func TestTimeSortsAsText(t *testing.T) {
	early := time.Date(2026, 1, 31, 7, 0, 0, 999_000, time.FixedZone("CET", 3600))
	if got := Time(early); got != "2026-01-31T06:00:00.000999Z" {
		t.Errorf("Time = %s", got)
	}
	if Time(early) >= Time(early.Add(time.Microsecond)) {
		t.Error("times do not sort as text")
	}
}
