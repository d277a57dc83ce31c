package dataset

import (
	"fmt"
	"time"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Maintenance says how the scheduled maintenance keeps a dataset's cleaned and quarantine tables. The zero value is the
// default everywhere.
type Maintenance struct {
	// Snapshots is how long a state of the table can be read after another has replaced it: by time travel, and by a query
	// that has begun before. Whole hours, from 1 to 365 days. Storage holds what was replaced for as long, and then for the
	// zone's NoncurrentRetention.
	// Default: 7 days.
	Snapshots time.Duration
	// Unreferenced is how old a file has to be that no state of the table names, and a write that was staged and never
	// published, before it is removed. Whole hours, from 3 to 365 days, and longer than a job may run. A Delta table knows
	// one age for both: there the longer of Snapshots and Unreferenced counts for both.
	// Default: 7 days.
	Unreferenced time.Duration
	// FileBytes is the size that files of the cleaned table are compacted to, in bytes, from 8 MiB to 2 GiB. Files below
	// three quarters of it are small (of a Delta table, below a quarter).
	// Default: 128 MiB.
	FileBytes int64
	// SmallFiles is how many small files, of data or of deletes, the table has before they are compacted, from 2 to
	// 10,000.
	// Default: 10.
	SmallFiles int
}

const (
	defaultSnapshots    = 7 * 24 * time.Hour
	defaultUnreferenced = 7 * 24 * time.Hour
	defaultFileBytes    = 128 << 20
	defaultSmallFiles   = 10

	longestKept = 365 * 24 * time.Hour
)

// Upkeep is Maintenance as the manifest states it: every default filled in.
type Upkeep struct {
	SnapshotSeconds     int64 `json:"snapshot_seconds"`
	UnreferencedSeconds int64 `json:"unreferenced_seconds"`
	FileBytes           int64 `json:"file_bytes"`
	SmallFiles          int   `json:"small_files"`
}

// UnreferencedAge is how old what no state of the table names has to be before it is removed.
func (e *Entry) UnreferencedAge() time.Duration {
	if e.Maintenance == nil {
		return defaultUnreferenced
	}
	return time.Duration(e.Maintenance.UnreferencedSeconds) * time.Second
}

// render is nil for what says nothing but the defaults, which jobs know.
func (m Maintenance) render() *Upkeep {
	if m == (Maintenance{}) {
		return nil
	}
	or := func(d, otherwise time.Duration) int64 {
		if d == 0 {
			d = otherwise
		}
		return int64(d / time.Second)
	}
	u := &Upkeep{
		SnapshotSeconds: or(m.Snapshots, defaultSnapshots), UnreferencedSeconds: or(m.Unreferenced, defaultUnreferenced),
		FileBytes: m.FileBytes, SmallFiles: m.SmallFiles,
	}
	if u.FileBytes == 0 {
		u.FileBytes = defaultFileBytes
	}
	if u.SmallFiles == 0 {
		u.SmallFiles = defaultSmallFiles
	}
	return u
}

func (m Maintenance) check(l *check.List) {
	span := func(path string, got, low time.Duration) {
		if got != 0 && (got < low || got > longestKept || got%time.Hour != 0) {
			l.Add(path, "is out of range", got, fmt.Sprintf("whole hours from %v to %v, or zero for 168h0m0s", low, longestKept))
		}
	}
	span("Maintenance.Snapshots", m.Snapshots, 24*time.Hour)
	span("Maintenance.Unreferenced", m.Unreferenced, 3*24*time.Hour)
	if m.FileBytes != 0 && (m.FileBytes < 8<<20 || m.FileBytes > 2<<30) {
		l.Add("Maintenance.FileBytes", "is out of range", m.FileBytes, "8388608 to 2147483648 bytes (8 MiB to 2 GiB), or zero for 128 MiB")
	}
	if m.SmallFiles != 0 && (m.SmallFiles < 2 || m.SmallFiles > 10_000) {
		l.Add("Maintenance.SmallFiles", "is out of range", m.SmallFiles, "2 to 10000, or zero for 10")
	}
}
