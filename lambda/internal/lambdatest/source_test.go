package lambdatest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/metrics"
	"github.com/strata-cdk/strata/lambda/internal/replication"
)

// source is a database with DMS in front of it, and the raw bucket as DMS has written it.
type source struct {
	*world
	generation int
	mode       string
	// replications are DMS's, by ARN.
	replications map[string]*replica
	versions     []s3types.ObjectVersion
}

type replica struct {
	status string
	asked  []string
	tables map[string]*types.TableStatistics
	reason string
}

const customers = "erp.customers"

func configARN(generation int) string {
	return fmt.Sprintf("arn:aws:dms:eu-west-1:123456789012:replication-config:strata-g%d", generation)
}

// newSource declares a replicated dataset, erp.customers, beside sales.orders.
func newSource(w *world) *source {
	s := &source{world: w, mode: contract.ModeLoadAndChanges, replications: map[string]*replica{}}
	s.raise()
	return s
}

// raise deploys the next generation.
func (s *source) raise() {
	s.t.Helper()
	s.generation++
	s.replications[configARN(s.generation)] = &replica{status: "created", tables: map[string]*types.TableStatistics{}}
	column := []dataset.Column{{Name: "id", Type: dataset.Bigint, Required: true}}
	landing := []dataset.Landing{{Prefix: "files/sales/orders/", Dataset: "sales.orders", Source: "Files"}}
	for g := 1; g <= s.generation; g++ {
		landing = append(landing, dataset.Landing{Prefix: folder(g), Dataset: customers, Source: "Erp", Generation: &g})
	}
	s.deploy([]dataset.Spec{
		{Domain: "sales", Name: "orders", Keys: []string{"id"}, Columns: column},
		{Domain: "erp", Name: "customers", Load: dataset.CDC, Format: dataset.DMS{}, Keys: []string{"id"}, Columns: column},
	}, landing)
}

func folder(generation int) string { return fmt.Sprintf("erp/g%d/public/customers/", generation) }

func loadKey(generation, n int) string {
	return fmt.Sprintf("%sLOAD%08X.parquet", folder(generation), n)
}

func changeKey(generation, n int) string {
	return fmt.Sprintf("%s20260131-%09d.parquet", folder(generation), n)
}

// write puts a file into the raw bucket; notices of it come when the test lands it.
func (s *source) write(key, version string) {
	for i, v := range s.versions {
		if aws.ToString(v.Key) == key {
			s.versions[i].IsLatest = aws.Bool(false)
		}
	}
	s.versions = append(s.versions, s3types.ObjectVersion{Key: &key, VersionId: &version, IsLatest: aws.Bool(true), LastModified: aws.Time(s.clock)})
}

// arrive writes files and notices them. A key may be followed by @ and a version.
func (s *source) arrive(keys ...string) {
	s.t.Helper()
	s.noticed(&gate{}, s.wrote(keys...))
}

func (s *source) wrote(keys ...string) []events.SQSMessage {
	var records []events.SQSMessage
	for _, k := range keys {
		key, version, given := strings.Cut(k, "@")
		if !given {
			version = "v1"
		}
		s.write(key, version)
		records = append(records, s.landed(key, version, 10))
	}
	return records
}

func (s *source) noticed(g *gate, records []events.SQSMessage) {
	s.t.Helper()
	answer, err := s.notice(g).Handle(s.t.Context(), events.SQSEvent{Records: records})
	must(s.t, err)
	if g.dead || len(answer.BatchItemFailures) > 0 {
		answer, err = s.notice(&gate{}).Handle(s.t.Context(), events.SQSEvent{Records: records})
		must(s.t, err)
		if len(answer.BatchItemFailures) > 0 {
			s.t.Fatalf("refused: %v", answer)
		}
	}
}

// loading says that DMS has begun to load the table now, completed that it has loaded it.
func (s *source) loading(generation int) {
	s.replications[configARN(generation)].tables["customers"] = &types.TableStatistics{SchemaName: aws.String("public"), TableName: aws.String("customers"),
		TableState: aws.String("Full load"), FullLoadStartTime: aws.Time(s.clock)}
}

func (s *source) completed(generation int, rows int64) {
	t := s.replications[configARN(generation)].tables["customers"]
	t.TableState, t.FullLoadRows = aws.String("Table completed"), rows
}

// controller is the function of the current generation.
func (s *source) controller(g *gate) *replication.Handler {
	return &replication.Handler{Source: "Erp", Config: configARN(s.generation), Mode: s.mode, Generation: s.generation, Bucket: rawBucket,
		Manifests: s.manifests(g), Ledger: s.ledger(g), DMS: gatedDMS{g, s}, S3: gatedLister{g, s}, Waker: s.waker(g),
		Metrics: &metrics.Emitter{Out: s.emitted, Lake: lakeName, Now: s.now}, Now: s.now}
}

func (s *source) tick() *replication.Summary {
	s.t.Helper()
	return s.control(contract.ActionReconcile)
}

func (s *source) control(action string) *replication.Summary {
	s.t.Helper()
	s.clock = s.clock.Add(time.Minute)
	out, err := s.controller(&gate{}).Handle(s.t.Context(), []byte(`{"action": "`+action+`"}`))
	must(s.t, err)
	return out
}

type gatedLister struct {
	*gate
	source *source
}

func (g gatedLister) ListObjectVersions(_ context.Context, in *s3.ListObjectVersionsInput, _ ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	return through(g.gate, false, func() (*s3.ListObjectVersionsOutput, error) {
		out := &s3.ListObjectVersionsOutput{}
		for _, v := range g.source.versions {
			if strings.HasPrefix(aws.ToString(v.Key), aws.ToString(in.Prefix)) {
				out.Versions = append(out.Versions, v)
			}
		}
		return out, nil
	})
}

// gatedDMS is DMS as far as the controller knows it: a start makes the replication run, a stop stops it.
type gatedDMS struct {
	*gate
	source *source
}

func (g gatedDMS) replica(arn *string) (*replica, error) {
	if r := g.source.replications[aws.ToString(arn)]; r != nil {
		return r, nil
	}
	return nil, &types.ResourceNotFoundFault{}
}

func (g gatedDMS) DescribeReplications(_ context.Context, in *dms.DescribeReplicationsInput, _ ...func(*dms.Options)) (*dms.DescribeReplicationsOutput, error) {
	return through(g.gate, false, func() (*dms.DescribeReplicationsOutput, error) {
		out := &dms.DescribeReplicationsOutput{}
		for _, arn := range in.Filters[0].Values {
			r, err := g.replica(&arn)
			if err != nil {
				return nil, err
			}
			v := types.Replication{ReplicationConfigArn: &arn, Status: aws.String(r.status), ReplicationStats: &types.ReplicationStats{}}
			if r.reason != "" {
				v.FailureMessages, v.ReplicationLastStopTime = []string{r.reason}, aws.Time(time.Date(2026, 1, 31, 6, len(r.asked), 0, 0, time.UTC))
			}
			if t := r.tables["customers"]; t != nil {
				v.ReplicationStats.FullLoadStartDate = t.FullLoadStartTime
			}
			out.Replications = append(out.Replications, v)
		}
		return out, nil
	})
}

func (g gatedDMS) DescribeReplicationTableStatistics(_ context.Context, in *dms.DescribeReplicationTableStatisticsInput, _ ...func(*dms.Options)) (*dms.DescribeReplicationTableStatisticsOutput, error) {
	return through(g.gate, false, func() (*dms.DescribeReplicationTableStatisticsOutput, error) {
		r, err := g.replica(in.ReplicationConfigArn)
		if err != nil {
			return nil, err
		}
		out := &dms.DescribeReplicationTableStatisticsOutput{}
		for _, t := range r.tables {
			out.ReplicationTableStatistics = append(out.ReplicationTableStatistics, *t)
		}
		return out, nil
	})
}

func (g gatedDMS) StartReplication(_ context.Context, in *dms.StartReplicationInput, _ ...func(*dms.Options)) (*dms.StartReplicationOutput, error) {
	return through(g.gate, true, func() (*dms.StartReplicationOutput, error) {
		r, err := g.replica(in.ReplicationConfigArn)
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"created", "stopped", "failed"}, r.status) {
			return nil, &types.InvalidResourceStateFault{Message: aws.String("it is " + r.status)}
		}
		if first := len(r.asked) == 0; first != (aws.ToString(in.StartReplicationType) == "start-replication") {
			return nil, &smithy.GenericAPIError{Code: "InvalidParameterCombinationException", Message: "Start Type, valid only for the first run"}
		}
		r.asked, r.status, r.reason = append(r.asked, aws.ToString(in.StartReplicationType)), "running", ""
		return &dms.StartReplicationOutput{}, nil
	})
}

func (g gatedDMS) StopReplication(_ context.Context, in *dms.StopReplicationInput, _ ...func(*dms.Options)) (*dms.StopReplicationOutput, error) {
	return through(g.gate, true, func() (*dms.StopReplicationOutput, error) {
		r, err := g.replica(in.ReplicationConfigArn)
		if err != nil {
			return nil, err
		}
		if r.status != "running" {
			return nil, &types.InvalidResourceStateFault{Message: aws.String("it is " + r.status)}
		}
		r.asked, r.status = append(r.asked, "stop"), "stopped"
		return &dms.StopReplicationOutput{}, nil
	})
}

func (g gatedDMS) DeleteReplicationConfig(_ context.Context, in *dms.DeleteReplicationConfigInput, _ ...func(*dms.Options)) (*dms.DeleteReplicationConfigOutput, error) {
	return through(g.gate, true, func() (*dms.DeleteReplicationConfigOutput, error) {
		r, err := g.replica(in.ReplicationConfigArn)
		if err != nil {
			return nil, err
		}
		if r.status == "running" {
			return nil, &types.InvalidResourceStateFault{Message: aws.String("it runs")}
		}
		delete(g.source.replications, aws.ToString(in.ReplicationConfigArn))
		return &dms.DeleteReplicationConfigOutput{}, nil
	})
}
