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
	rounds := flag.Int("rounds", 5, "measurements per figure; the median counts")
	flag.Parse()
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

const datasets = 1000

func measure(rounds int) ([]Row, error) {
	// The CDK's validator reads the finished template: it is no part of a declaration's cost, and takes seconds.
	if err := os.Setenv("CDK_VALIDATION", "false"); err != nil {
		return nil, err
	}
	synthLake(1) // the first synth of a process loads the CDK
	one, all := median(rounds, func() { synthLake(1) }), median(rounds, func() { synthLake(datasets) })
	peerOne, peerAll := median(rounds, func() { synthTables(1) }), median(rounds, func() { synthTables(datasets) })
	empty := median(rounds, synthNothing)
	render := median(rounds, func() { renderManifest(datasets) })
	each := func(d time.Duration) float64 { return ms(d) / (datasets - 1) }
	return []Row{
		{Name: "synth_per_dataset", Unit: "ms", Ours: each(all - one), Peer: each(peerAll - peerOne),
			PeerName: "one AWS::Glue::Table per dataset", Limit: ms(render) / datasets,
			LimitName: "validating and rendering the manifest in Go alone"},
		{Name: "synth_1000_datasets", Unit: "ms", Ours: ms(all), Peer: ms(peerAll),
			PeerName: "1000 AWS::Glue::Table in 3 stacks, without a lake", Limit: ms(empty), LimitName: "an app with one empty stack"},
	}, nil
}

func median(rounds int, run func()) time.Duration {
	times := make([]time.Duration, max(rounds, 1))
	for i := range times {
		start := time.Now()
		run()
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[len(times)/2]
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
