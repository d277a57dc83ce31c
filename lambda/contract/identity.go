package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ObjectID names one landed file version.
type ObjectID struct {
	Key     string `json:"key"`
	Version string `json:"version"`
}

// ObjectHash is the ledger's name for an object: the first 40 hex digits of SHA-256 over key, NUL, version.
func ObjectHash(key, version string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + version))
	return hex.EncodeToString(sum[:])[:40]
}

// BatchID names a frozen list: the same objects of the same dataset are the same batch, in whatever order they landed.
func BatchID(lake, dataset string, objects []ObjectID) string {
	return batchID(lake, dataset, objects, "")
}

// LoadBatchID names the batch of a generation's full load. The generation is part of it, because a load of an empty table
// has no objects.
func LoadBatchID(lake, dataset string, generation int, objects []ObjectID) string {
	return batchID(lake, dataset, objects, fmt.Sprintf("\x00load\x00%d\n", generation))
}

func batchID(lake, dataset string, objects []ObjectID, last string) string {
	sorted := slices.Clone(objects)
	slices.SortFunc(sorted, func(a, b ObjectID) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Version, b.Version)
	})
	hash := sha256.New()
	_, _ = io.WriteString(hash, lake+"\n"+dataset+"\n")
	for _, o := range sorted {
		_, _ = io.WriteString(hash, o.Key+"\x00"+o.Version+"\n")
	}
	_, _ = io.WriteString(hash, last)
	return hex.EncodeToString(hash.Sum(nil))[:32]
}

// RunID names the work of a run: the same batches are the same run, whichever attempt it is.
func RunID(batches []string) string {
	sorted := slices.Sorted(slices.Values(batches))
	hash := sha256.New()
	for _, b := range sorted {
		_, _ = io.WriteString(hash, b+"\n")
	}
	return hex.EncodeToString(hash.Sum(nil))[:32]
}

// ExecutionName is the Step Functions name of a run's attempt. Names stay taken for 90 days, hence the attempt.
func ExecutionName(run string, attempt int) string { return fmt.Sprintf("%s-%d", run, attempt) }

// TimeLayout is RFC 3339 with six fractional digits; always in UTC, so that times sort as text.
const TimeLayout = "2006-01-02T15:04:05.000000Z"

// Time renders t in TimeLayout.
func Time(t time.Time) string { return t.UTC().Format(TimeLayout) }

// Keys in the artifacts bucket.

// ManifestKeyOf is the key of the manifest with this hash.
func ManifestKeyOf(hash string) string { return "manifests/" + hash + ".json" }

// BatchListKey is the key of a batch's frozen list.
func BatchListKey(batch string) string { return "batches/" + batch + ".json" }

// RunListKey is the key of a run's list.
func RunListKey(run string, attempt int) string {
	return "runs/" + ExecutionName(run, attempt) + ".json"
}

// MirrorKey is the key of the batch record that Athena reads.
func MirrorKey(batch string) string { return "ledger/batches/" + batch + ".json" }
