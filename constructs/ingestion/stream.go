package ingestion

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesisfirehose"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

// Stream is a source whose producers put records into a Firehose delivery stream, with PutRecord, PutRecordBatch or
// anything that ends in them. One stream serves many datasets: each record is one JSON object on one line that names its
// dataset in the field RouteBy. Several such lines in one record are fine as long as they are of one dataset.
//
// Records land unchanged, but for the newline each of them ends in, under
// <source>/<domain>/<dataset>/ingest_date=<yyyy-MM-dd>/, gzipped. No record is rejected on the way: one that names no
// dataset lands with the first of Datasets, in whose quarantine it ends with the reason route:<RouteBy>; one that names an
// undeclared dataset lands under that name, raises the alarm on unroutable objects, and is taken in by reconcile once the
// dataset is declared; of more than some sixteen undeclared names at a time the others share <source>/_unrouted/, from
// where redeliver puts them back. What Firehose cannot deliver lands under <source>-errors/, raises the alarm FailedDeliveries,
// and is put back by the command in the stack's outputs.
//
// Delivery is at least once: a record may land twice, and the datasets' keys tell duplicates. A Stream is a plain value:
// nothing exists until a lake (or NewStream) takes it. A further dataset costs no resource.
type Stream struct {
	// Datasets are the datasets whose records come here, of load Append or Upsert and format JSON, which is also what no
	// format means. At least one. A stream of a single dataset without RouteBy may also carry CSV without a header.
	Datasets []dataset.Spec
	// RouteBy is the top-level JSON field that names a record's dataset as <domain>.<name>, exactly and with its case:
	// [A-Za-z_][A-Za-z0-9_.-]{0,62}. With it every record has to name its dataset, also in a stream of one; no dataset has
	// to declare it as a column. Needed for two or more datasets.
	// Default: every record belongs to the one dataset.
	RouteBy string
	// Producers may put records into the stream.
	// Default: nobody beside the account's administrators; grant later with GrantPut.
	Producers []awsiam.IGrantable
	// Buffer says when Firehose writes an object.
	// Default: the default of each of its fields.
	Buffer Buffer
	// Configure changes the delivery stream's properties after the defaults are set. Destination, prefixes, compression,
	// encryption, partitioning, transformation, error log and role stay as they are here.
	// Default: nothing is changed.
	Configure func(*awskinesisfirehose.CfnDeliveryStreamProps)
}

// Buffer says when Firehose writes what it holds for one dataset as an object: as soon as one bound is met. A record is
// in the raw zone after at most one and a half times the interval, and the minute in which records are gathered for the
// transformation.
type Buffer struct {
	// Size is the size before compression in MiB, from 64 to 128.
	// Default: 64.
	Size int
	// Interval is the longest time, whole seconds from one minute to 15, not above the tightest Freshness promised.
	// Default: five minutes, or the tightest Freshness if that is less.
	Interval time.Duration
}

// Firehose's bounds for streams with dynamic partitioning.
const (
	minBufferSize, maxBufferSize         = 64, 128
	minBufferInterval, maxBufferInterval = time.Minute, 15 * time.Minute
	defaultBufferInterval                = 5 * time.Minute
)

// maxRouting keeps the function's environment, 4 KiB in all, below its limit.
const maxRouting = 3500

var _ storage.Source = Stream{}

// Specs are the datasets whose records come here, with their formats completed: JSON that is routed as the stream says.
func (s Stream) Specs() []dataset.Spec {
	specs := make([]dataset.Spec, len(s.Datasets))
	routed := s.RouteBy != "" && dataset.ValidateRouteBy(s.RouteBy) == nil
	for i, d := range s.Datasets {
		if d.Format == nil {
			d.Format = dataset.JSON{}
		}
		if f, ok := d.Format.(dataset.JSON); ok && routed && f.RouteBy == "" {
			d.Format = dataset.JSON{RouteBy: s.RouteBy}
		}
		specs[i] = d
	}
	return specs
}

// Landings are the prefixes the source claims under its id, one per dataset.
func (s Stream) Landings(id string) []dataset.Landing {
	return FileDrop{Datasets: s.Datasets}.Landings(id)
}

// Validate reports every problem of the declaration, those of its datasets included.
func (s Stream) Validate() error {
	var l check.List
	if len(s.Datasets) == 0 {
		l.Add("Datasets", "is empty", nil, "at least one dataset whose records come here")
	}
	for i, d := range s.Specs() {
		path := check.Index("Datasets", i)
		l.Under(path, d.Validate())
		s.checkDataset(&l, path, d)
	}
	s.checkRouting(&l)
	for i, p := range s.Producers {
		if p == nil {
			l.Add(check.Index("Producers", i), "is nil", nil, "a principal: a role, a user, a service or account principal")
		}
	}
	s.checkBuffer(&l)
	return l.Err()
}

func (s Stream) checkDataset(l *check.List, path string, d dataset.Spec) {
	if d.Load == dataset.CDC && !ordered(d.Format) {
		l.Add(check.Join(path, "Load"), "is not for records of this format, which keep no order of changes", d.Load,
			"Format: dataset.DMSJSON{…}; or Append, or Upsert with a Sequence")
	}
	if d.Load == dataset.Append && len(d.Keys) == 0 {
		l.Add(check.Join(path, "Keys"), "is empty, but a stream delivers at least once, and nothing but a key tells a record that comes twice from two", nil,
			"the columns that identify a record, one at least; ingestion.FileDrop takes datasets without")
	}
	if d.Load == dataset.Snapshot {
		l.Add(check.Join(path, "Load"), "is not for a stream, whose objects are no whole tables", d.Load, "Append, or Upsert with a Sequence; ingestion.FileDrop takes snapshots")
	}
	alone := len(s.Datasets) == 1 && s.RouteBy == ""
	switch f := d.Format.(type) {
	case dataset.JSON:
		if f.RouteBy != "" && s.RouteBy != "" && f.RouteBy != s.RouteBy {
			l.Add(check.Join(path, "Format.RouteBy"), "is not the field by which the stream routes", f.RouteBy, s.RouteBy+", or none")
		}
	case dataset.DMSJSON:
		if !alone {
			l.Add(check.Join(path, "Format"), "has no field that names the dataset", "DMSJSON", "a stream of this dataset alone without RouteBy")
		}
	case dataset.CSV:
		if !f.NoHeader {
			l.Add(check.Join(path, "Format"), "has a header line, which no object of a stream begins with", "CSV", "JSON, or CSV{NoHeader: true}")
		} else if !alone {
			l.Add(check.Join(path, "Format"), "has no field that names the dataset", "CSV", "JSON, or a stream of this dataset alone without RouteBy")
		}
	default:
		l.Add(check.Join(path, "Format"), "is no format of records", strings.TrimPrefix(fmt.Sprintf("%T", f), "dataset."), "JSON")
	}
}

func (s Stream) checkRouting(l *check.List) {
	if s.RouteBy != "" {
		l.Under("RouteBy", dataset.ValidateRouteBy(s.RouteBy))
	} else if len(s.Datasets) > 1 {
		l.Add("RouteBy", "is missing, but the stream has several datasets", nil, `a field name, such as "dataset"`)
	}
	if size := len(s.routing()); size > maxRouting {
		l.Add("Datasets", "are too many for one stream: their names take "+fmt.Sprint(size)+" bytes of the function's environment",
			len(s.Datasets), fmt.Sprintf("at most %d bytes; make a second stream", maxRouting))
	}
}

// routing is what the transform reads.
func (s Stream) routing() string {
	r := contract.Routing{Field: s.RouteBy, Datasets: make([]string, len(s.Datasets))}
	for i, d := range s.Datasets {
		r.Datasets[i] = d.ID()
	}
	text, _ := json.Marshal(r) // strings always render
	return string(text)
}

func (s Stream) checkBuffer(l *check.List) {
	if n := s.Buffer.Size; n != 0 && (n < minBufferSize || n > maxBufferSize) {
		l.Add("Buffer.Size", "is out of range", n, fmt.Sprintf("%d to %d MiB, or 0 for %d", minBufferSize, maxBufferSize, minBufferSize))
	}
	switch every := s.Buffer.Interval; {
	case every == 0:
	case every < minBufferInterval || every > maxBufferInterval || every%time.Second != 0:
		l.Add("Buffer.Interval", "is out of range", every,
			fmt.Sprintf("whole seconds from %v to %v, or 0 for the default", minBufferInterval, maxBufferInterval))
	default:
		if tightest := s.tightest(); tightest != 0 && every > tightest {
			l.Add("Buffer.Interval", "is longer than the freshness a dataset promises", every, fmt.Sprintf("at most %v", tightest))
		}
	}
}

// tightest is the tightest freshness promised, zero if none is.
func (s Stream) tightest() (tightest time.Duration) {
	for _, d := range s.Datasets {
		if d.Freshness > 0 && (tightest == 0 || d.Freshness < tightest) {
			tightest = d.Freshness
		}
	}
	return tightest
}

func (s Stream) bufferSize() int {
	if s.Buffer.Size == 0 {
		return minBufferSize
	}
	return s.Buffer.Size
}

func (s Stream) bufferInterval() time.Duration {
	if s.Buffer.Interval != 0 {
		return s.Buffer.Interval
	}
	if tightest := s.tightest(); tightest != 0 && tightest < defaultBufferInterval {
		return max(minBufferInterval, tightest)
	}
	return defaultBufferInterval
}

// Attach makes the delivery stream below scope and lets the producers put records into it.
func (s Stream) Attach(scope constructs.Construct, id string, lake storage.LakeRef) constructs.Construct {
	control := catalog.Control(*scope.Node().Path()+"/"+id, lake)
	return NewStream(scope, id, &StreamProps{
		Stream: s, Lake: control.Manifest().Manifest().Lake, Raw: control.Raw(), Ledger: control.Ledger(), Alarms: control.Alarms(),
		Key: control.Key(), LogRetention: control.LogRetention(), AllowDeletion: control.AllowDeletion(),
	})
}
