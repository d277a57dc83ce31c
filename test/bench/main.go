// Command bench measures what a declaration costs at synth: time per dataset, beside the same data declared with one
// CloudFormation resource per dataset and beside a floor no tool on the same runtime goes below. It writes rows to a
// JSON file, keeping rows of other benchmarks there.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/aws/jsii-runtime-go"
)

// Row is one measurement.
type Row struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Ours      float64 `json:"ours"`
	Peer      float64 `json:"peer"`
	PeerName  string  `json:"peer_name"`
	Limit     float64 `json:"limit"`
	LimitName string  `json:"limit_name"`
}

func main() {
	out := flag.String("out", "build/bench.json", "file for the rows")
	rounds := flag.Int("rounds", 5, "measurements per figure; the shortest counts")
	flag.Parse()
	if err := withoutValidation(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	defer jsii.Close()
	rows, err := measure(*rounds)
	if err == nil {
		err = store(*out, rows)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	for _, r := range rows {
		fmt.Printf("%-28s ours %10.3f %s   %s %10.3f   %s %10.3f\n", r.Name, r.Ours, r.Unit, r.PeerName, r.Peer, r.LimitName, r.Limit)
	}
}

// withoutValidation starts the program again with the CDK's validator off: it reads the finished template, so it is no
// part of a declaration's cost, and takes seconds. The CDK sees only the environment the process began with.
func withoutValidation() error {
	const name, off = "CDK_VALIDATION", "false"
	if os.Getenv(name) == off {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(name, off); err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

const datasets = 1000

func measure(rounds int) ([]Row, error) {
	synthLake(1) // the first synth of a process loads the CDK
	var one, all, peerOne, peerAll, empty, render figure
	for range max(rounds, 1) {
		one.take(func() { synthLake(1) })
		all.take(func() { synthLake(datasets) })
		peerOne.take(func() { synthTables(1) })
		peerAll.take(func() { synthTables(datasets) })
		empty.take(synthNothing)
		render.take(func() { renderManifest(datasets) })
	}
	each := func(d time.Duration) float64 { return ms(d) / (datasets - 1) }
	return []Row{
		{Name: "synth_per_dataset", Unit: "ms", Ours: each(all.best - one.best), Peer: each(peerAll.best - peerOne.best),
			PeerName: "one AWS::Glue::Table per dataset", Limit: ms(render.best) / datasets,
			LimitName: "validating and rendering the manifest in Go alone"},
		{Name: "synth_1000_datasets", Unit: "ms", Ours: ms(all.best), Peer: ms(peerAll.best),
			PeerName: "1000 AWS::Glue::Table in 3 stacks, without a lake", Limit: ms(empty.best), LimitName: "an app with one empty stack"},
	}, nil
}

// figure is the shortest time of several runs: what disturbs a run only ever makes it longer.
type figure struct{ best time.Duration }

func (f *figure) take(run func()) {
	start := time.Now()
	run()
	if took := time.Since(start); f.best == 0 || took < f.best {
		f.best = took
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// store writes rows to file, in place of older rows of the same names.
func store(file string, rows []Row) error {
	var kept []json.RawMessage
	old, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(old, &kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", file, err)
	}
	kept = slices.DeleteFunc(kept, func(raw json.RawMessage) bool {
		var r Row
		return json.Unmarshal(raw, &r) == nil && slices.ContainsFunc(rows, func(n Row) bool { return n.Name == r.Name })
	})
	for _, r := range rows {
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		kept = append(kept, raw)
	}
	text, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
