package lambdatest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/dispatch"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
	"github.com/strata-cdk/strata/lambda/internal/metrics"
	"github.com/strata-cdk/strata/lambda/internal/notice"
	"github.com/strata-cdk/strata/lambda/internal/notify"
	"github.com/strata-cdk/strata/lambda/internal/record"
	"github.com/strata-cdk/strata/lambda/internal/run"
	"github.com/strata-cdk/strata/lambda/internal/wake"
)

const (
	lakeName    = "commerce"
	rawBucket   = "raw-bucket"
	wakeURL     = "https://sqs.eu-west-1.amazonaws.com/123456789012/Wake.fifo"
	maxAttempts = 3
	lease       = 10 * time.Minute
	window      = time.Minute
)

// world is a lake's control plane with a clock of its own.
type world struct {
	t        testing.TB
	clock    time.Time
	table    *ledger.Table
	bucket   string
	raw      string
	hash     string
	key      string
	machine  *machine
	wakes    *queue
	topic    *topic
	emitted  *bytes.Buffer
	limits   dispatch.Limits
	claims   int
	messages int
}

var worlds int

func newWorld(t testing.TB, datasets ...string) *world {
	t.Helper()
	worlds++
	name := fmt.Sprintf("ledger-%d", worlds)
	w := &world{t: t, clock: time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC), bucket: fmt.Sprintf("artifacts-%d", worlds),
		machine: &machine{executions: map[string]*execution{}}, wakes: &queue{seen: map[string]bool{}}, topic: &topic{},
		raw: rawBucket, emitted: &bytes.Buffer{}, table: &ledger.Table{Client: dynamo, Name: name},
		limits: dispatch.Limits{Lease: lease, MaxAttempts: maxAttempts, BatchObjects: 3, BatchBytes: 1000,
			DatasetsPerRun: dispatch.DatasetsPerRun, ReserveBeforeDeadline: time.Second}}
	ctx := t.Context()
	_, err := dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{text("pk"), text("sk"), text("dataset"), text("frozen_at")},
		KeySchema:            keys("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String(contract.DatasetIndex), KeySchema: keys("dataset", "frozen_at"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}}}})
	mustMake(t, err)
	_, err = objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &w.bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
	mustMake(t, err)
	w.declare(datasets...)
	t.Cleanup(func() {
		_, err := dynamo.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name})
		var gone *types.ResourceNotFoundException
		if !errors.As(err, &gone) {
			must(t, err)
		}
	})
	return w
}

func text(name string) types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
}

func keys(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
}

// mustMake lets pass that a thing exists already: its name is this world's own, so the client has asked twice, because the
// first answer was lost on its way. For the same reason it may be gone already when it is deleted.
func mustMake(t testing.TB, err error) {
	t.Helper()
	var table *types.ResourceInUseException
	var bucket *s3types.BucketAlreadyOwnedByYou
	if !errors.As(err, &table) && !errors.As(err, &bucket) {
		must(t, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// declare deploys a manifest with these datasets; dataset a.b lands under files/a/b/.
func (w *world) declare(ids ...string) {
	w.t.Helper()
	var specs []dataset.Spec
	var landing []dataset.Landing
	for _, id := range ids {
		domain, name, _ := strings.Cut(id, ".")
		specs = append(specs, dataset.Spec{Domain: domain, Name: name, Keys: []string{"id"},
			Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint, Required: true}}})
		landing = append(landing, dataset.Landing{Prefix: "files/" + domain + "/" + name + "/", Dataset: id, Source: "Files"})
	}
	w.deploy(specs, landing)
}

// deploy makes a manifest of these declarations the current one.
func (w *world) deploy(specs []dataset.Spec, landing []dataset.Landing) {
	w.t.Helper()
	m, err := dataset.NewManifest(lakeName, specs, landing, nil)
	must(w.t, err)
	body := m.Bytes()
	sum := sha256.Sum256(body)
	w.hash = hex.EncodeToString(sum[:])
	w.key = "assets/" + w.hash + ".json"
	_, err = objects.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &w.key, Body: bytes.NewReader(body)})
	must(w.t, err)
}

func (w *world) now() time.Time {
	w.clock = w.clock.Add(time.Microsecond)
	return w.clock
}

func (w *world) manifests(g *gate) *manifest.Loader {
	return &manifest.Loader{Client: gatedS3{g}, Bucket: w.bucket, Key: w.key, Hash: w.hash, Lake: lakeName}
}

func (w *world) ledger(g *gate) *ledger.Table {
	return &ledger.Table{Client: gatedDynamo{g}, Name: w.table.Name}
}

func (w *world) settler(g *gate) *run.Settler {
	return &run.Settler{Ledger: w.ledger(g), Mirrors: &artifacts.Store{Client: gatedS3{g}, Bucket: w.bucket},
		Metrics: &metrics.Emitter{Out: w.emitted, Lake: lakeName, Now: w.now}, MaxAttempts: maxAttempts, Now: w.now}
}

func (w *world) waker(g *gate) *wake.Queue {
	return &wake.Queue{Client: gatedQueue{g, w.wakes}, URL: wakeURL, Window: window, Now: w.now}
}

func (w *world) notice(g *gate) *notice.Handler {
	return &notice.Handler{Bucket: rawBucket, Manifests: w.manifests(g), Ledger: w.ledger(g), Waker: w.waker(g),
		Metrics: &metrics.Emitter{Out: w.emitted, Lake: lakeName, Now: w.now}, Now: w.now}
}

func (w *world) dispatch(g *gate) *dispatch.Handler {
	return &dispatch.Handler{Lake: lakeName, Ledger: w.ledger(g), Artifacts: &artifacts.Store{Client: gatedS3{g}, Bucket: w.bucket},
		Raw: gatedS3{g}, RawBucket: w.raw, Manifests: w.manifests(g), Executions: dispatch.Executions{Client: gatedStates{g, w.machine}, StateMachine: machineARN},
		Settler: w.settler(g), Limits: w.limits, Now: w.now, NewClaim: func() string { w.claims++; return fmt.Sprint(w.claims) }}
}

func (w *world) record(g *gate) *record.Handler {
	return &record.Handler{Ledger: w.ledger(g), Settler: w.settler(g), Waker: w.waker(g),
		Topic: &notify.Topic{Client: gatedTopic{g, w.topic}, ARN: "arn:aws:sns:eu-west-1:123456789012:Alarm", Lake: lakeName, WakeQueueURL: wakeURL}}
}

// landed is the notice message of a landed object: the recorded event with another object in it.
func (w *world) landed(key, version string, size int64) events.SQSMessage {
	w.messages++
	body, err := os.ReadFile("testdata/object_created.json")
	must(w.t, err)
	var e map[string]any
	must(w.t, json.Unmarshal(body, &e))
	detail := e["detail"].(map[string]any)
	detail["bucket"] = map[string]any{"name": rawBucket}
	object := detail["object"].(map[string]any)
	object["key"], object["version-id"], object["size"] = key, version, size
	body, err = json.Marshal(e)
	must(w.t, err)
	return events.SQSMessage{MessageId: fmt.Sprintf("message-%d", w.messages), Body: string(body),
		Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
}

// land notices objects and fails the test if a message is refused.
func (w *world) land(keys ...string) {
	w.t.Helper()
	var records []events.SQSMessage
	for _, k := range keys {
		records = append(records, w.landed(k, "v1", 10))
	}
	answer, err := w.notice(&gate{}).Handle(w.t.Context(), events.SQSEvent{Records: records})
	must(w.t, err)
	if len(answer.BatchItemFailures) > 0 {
		w.t.Fatalf("refused: %v", answer.BatchItemFailures)
	}
}

// ask sends dispatch a request.
func (w *world) ask(request string) *dispatch.Answer {
	w.t.Helper()
	answer, err := w.dispatch(&gate{}).Handle(w.t.Context(), json.RawMessage(request))
	must(w.t, err)
	return answer.(*dispatch.Answer)
}

// tell sends record a request about an execution.
func (w *world) tell(g *gate, action, name string) (any, error) {
	id, attempt, _ := run.ParseName(name)
	body := fmt.Sprintf(`{"action": %q, "run": %q, "attempt": %d`, action, id, attempt)
	if action == contract.ActionFail {
		body += `, "error": {"Error": "Glue.JobFailed", "Cause": "out of memory"}`
	}
	return w.record(g).Handle(w.t.Context(), json.RawMessage(body+"}"))
}
