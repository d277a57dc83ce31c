package replication

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// fakeDMS answers with its fields; a call whose field is nil fails the test by a nil call.
type fakeDMS struct {
	DMS
	describe   func(*dms.DescribeReplicationsInput) (*dms.DescribeReplicationsOutput, error)
	statistics func(*dms.DescribeReplicationTableStatisticsInput) (*dms.DescribeReplicationTableStatisticsOutput, error)
}

func (f fakeDMS) DescribeReplications(_ context.Context, in *dms.DescribeReplicationsInput, _ ...func(*dms.Options)) (*dms.DescribeReplicationsOutput, error) {
	return f.describe(in)
}

func (f fakeDMS) DescribeReplicationTableStatistics(_ context.Context, in *dms.DescribeReplicationTableStatisticsInput, _ ...func(*dms.Options)) (*dms.DescribeReplicationTableStatisticsOutput, error) {
	return f.statistics(in)
}

type fakeS3 struct {
	list func(*s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error)
}

func (f fakeS3) ListObjectVersions(_ context.Context, in *s3.ListObjectVersionsInput, _ ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	return f.list(in)
}

func TestTablesOf(t *testing.T) {
	one, two := 1, 2
	m := &dataset.Manifest{Landing: []dataset.Landing{
		{Prefix: "erp/g1/public/orders/", Dataset: "sales.orders", Source: "Erp", Generation: &one},
		{Prefix: "erp/g2/public/orders/", Dataset: "sales.orders", Source: "Erp", Generation: &two},
		{Prefix: "erp/g2/hr/staff/", Dataset: "people.staff", Source: "Erp", Generation: &two},
		{Prefix: "crm/g2/public/orders/", Dataset: "crm.orders", Source: "Crm", Generation: &two},
		{Prefix: "files/sales/items/", Dataset: "sales.items", Source: "Files"},
	}}
	tables, err := tablesOf(m, "Erp", 2)
	if err != nil || len(tables) != 2 || tables[0].name != "public.orders" || tables[0].dataset != "sales.orders" || tables[1].name != "hr.staff" {
		t.Errorf("got %+v, %v", tables, err)
	}
	if _, err := tablesOf(m, "Erp", 3); err == nil || !strings.Contains(err.Error(), "generation 3: deploy the stack again") {
		t.Errorf("unknown generation: %v", err)
	}
}

func TestStatisticsArePaged(t *testing.T) {
	h := &Handler{Config: "arn", DMS: fakeDMS{statistics: func(in *dms.DescribeReplicationTableStatisticsInput) (*dms.DescribeReplicationTableStatisticsOutput, error) {
		one := func(name string) []types.TableStatistics {
			return []types.TableStatistics{{SchemaName: aws.String("public"), TableName: aws.String(name), TableState: aws.String(tableCompleted)}}
		}
		if aws.ToString(in.Marker) == "" {
			return &dms.DescribeReplicationTableStatisticsOutput{Marker: aws.String("next"), ReplicationTableStatistics: one("a")}, nil
		}
		return &dms.DescribeReplicationTableStatisticsOutput{ReplicationTableStatistics: one("b")}, nil
	}}}
	stats, err := h.statistics(t.Context())
	if err != nil || len(stats) != 2 || aws.ToString(stats["public.b"].TableState) != tableCompleted {
		t.Errorf("got %v, %v", stats, err)
	}
	for _, fault := range []error{&types.ResourceNotFoundFault{}, &types.InvalidResourceStateFault{}} {
		h.DMS = fakeDMS{statistics: func(*dms.DescribeReplicationTableStatisticsInput) (*dms.DescribeReplicationTableStatisticsOutput, error) {
			return nil, fault
		}}
		if stats, err := h.statistics(t.Context()); err != nil || len(stats) != 0 {
			t.Errorf("%T: got %v, %v", fault, stats, err)
		}
	}
	h.DMS = fakeDMS{statistics: func(*dms.DescribeReplicationTableStatisticsInput) (*dms.DescribeReplicationTableStatisticsOutput, error) {
		return nil, errors.New("throttled")
	}}
	if _, err := h.statistics(t.Context()); err == nil {
		t.Error("an error is taken for an empty answer")
	}
}

func TestDescribe(t *testing.T) {
	h := &Handler{Config: "arn:1", DMS: fakeDMS{describe: func(in *dms.DescribeReplicationsInput) (*dms.DescribeReplicationsOutput, error) {
		if f := in.Filters[0]; aws.ToString(f.Name) != "replication-config-arn" || f.Values[0] != "arn:1" {
			t.Errorf("filter = %+v", f)
		}
		return &dms.DescribeReplicationsOutput{Replications: []types.Replication{
			{ReplicationConfigArn: aws.String("arn:2")}, {ReplicationConfigArn: aws.String("arn:1"), Status: aws.String("running")}}}, nil
	}}}
	if r, found, err := h.describe(t.Context(), "arn:1"); err != nil || !found || aws.ToString(r.Status) != "running" {
		t.Errorf("got %+v, %v, %v", r, found, err)
	}
	h.DMS = fakeDMS{describe: func(*dms.DescribeReplicationsInput) (*dms.DescribeReplicationsOutput, error) {
		return nil, &types.ResourceNotFoundFault{}
	}}
	if _, found, err := h.describe(t.Context(), "arn:1"); err != nil || found {
		t.Errorf("missing: %v, %v", found, err)
	}
}

func TestBroken(t *testing.T) {
	with := func(name, state string) *table {
		return &table{name: name, stats: &types.TableStatistics{TableState: aws.String(state)}}
	}
	tables := []*table{with("a", tableCompleted), with("b", "Table error"), with("c", "Full load"), {name: "d"}, with("e", "Table does not exist"),
		with("f", "Table cancelled"), with("g", "Table is being reloaded"), with("h", "Before load")}
	want := []ledger.BrokenTable{{Table: "b", State: "Table error"}, {Table: "d", State: stateMissing}, {Table: "e", State: "Table does not exist"}, {Table: "f", State: "Table cancelled"}}
	if got := broken(tables, settled, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := broken(tables, settled-1, 0); len(got) != 3 {
		t.Errorf("just started: got %v, want all but the one that is not listed", got)
	}
}

func TestLoadsThatStandStill(t *testing.T) {
	with := func(name, state, load string, rows int64) *table {
		return &table{name: name, load: ledger.Load{State: load, Snapshot: true}, stats: &types.TableStatistics{TableState: aws.String(state), FullLoadRows: rows}}
	}
	tables := []*table{with("a", tableCompleted, ledger.LoadLoading, 9), with("b", "Full load", ledger.LoadLoading, 7), with("c", "Before load", ledger.LoadLoading, 0),
		with("d", "Full load", ledger.LoadComplete, 3), {name: "e", load: ledger.Load{State: ledger.LoadLoading, Snapshot: true}}}
	if got, want := progress(statusRunning, tables), "b Full load 7; c Before load 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := progress("stopped", tables); got != "" {
		t.Errorf("a replication that does not run: %q", got)
	}
	want := []ledger.BrokenTable{{Table: "b", State: "Load stands still: Full load, 7 rows"}, {Table: "c", State: "Load stands still: Before load, 0 rows"}}
	if got := broken(tables, 0, still); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := broken(tables, 0, still-1); len(got) != 0 {
		t.Errorf("not yet: %v", got)
	}
}

func TestFilesOfALoad(t *testing.T) {
	began := time.Date(2026, 1, 31, 6, 0, 0, 500_000_000, time.UTC)
	version := func(name, id string, latest bool, at time.Time) s3types.ObjectVersion {
		return s3types.ObjectVersion{Key: aws.String("erp/g1/public/orders/" + name), VersionId: aws.String(id), IsLatest: &latest, LastModified: &at}
	}
	calls := 0
	h := &Handler{Bucket: "raw", S3: fakeS3{list: func(in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
		if aws.ToString(in.Prefix) != "erp/g1/public/orders/" || aws.ToString(in.Bucket) != "raw" {
			t.Errorf("lists %s/%s", aws.ToString(in.Bucket), aws.ToString(in.Prefix))
		}
		if calls++; calls == 1 {
			return &s3.ListObjectVersionsOutput{IsTruncated: aws.Bool(true), NextKeyMarker: aws.String("k"), NextVersionIdMarker: aws.String("v"),
				Versions: []s3types.ObjectVersion{
					version("20260131-060100000.parquet", "1", true, began),
					version("LOAD00000001.parquet", "2", true, began.Truncate(time.Second)), // S3 shows whole seconds
					version("LOAD00000001.parquet", "1", false, began.Add(time.Minute)),
				}}, nil
		}
		if aws.ToString(in.KeyMarker) != "k" || aws.ToString(in.VersionIdMarker) != "v" {
			t.Errorf("goes on at %v, %v", in.KeyMarker, in.VersionIdMarker)
		}
		return &s3.ListObjectVersionsOutput{Versions: []s3types.ObjectVersion{
			version("LOAD0000000A.parquet", "3", true, began.Add(time.Minute)),
			version("LOAD0000000B.parquet", "4", true, began.Add(-time.Minute)),
			version("load00000001.parquet", "5", true, began), version("LOAD1.parquet", "6", true, began),
		}}, nil
	}}}
	got, err := h.files(t.Context(), &table{prefix: "erp/g1/public/orders/", stats: &types.TableStatistics{FullLoadStartTime: &began}})
	id := func(name, version string) contract.ObjectID {
		return contract.ObjectID{Key: "erp/g1/public/orders/" + name, Version: version}
	}
	want := []file{{id("LOAD00000001.parquet", "2"), ledger.LoadCurrent}, {id("LOAD00000001.parquet", "1"), ledger.LoadSuperseded},
		{id("LOAD0000000A.parquet", "3"), ledger.LoadCurrent}, {id("LOAD0000000B.parquet", "4"), ledger.LoadSuperseded}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestRequestsAreChecked(t *testing.T) {
	for give, want := range map[string]string{`{"action": "reload"}`: `action: got "reload"`, `{"action": "stop", "table": "x"}`: `unknown field "table"`, `[]`: "want"} {
		if _, err := (&Handler{}).Handle(t.Context(), json.RawMessage(give)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", give, want, err)
		}
	}
}
