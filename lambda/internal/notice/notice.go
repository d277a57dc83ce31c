// Package notice records landed objects in the ledger's inbox.
package notice

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/inbox"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
	"github.com/strata-cdk/strata/lambda/internal/manifest"
)

// Manifests gives the current manifest.
type Manifests interface {
	Load(ctx context.Context) (*manifest.Loaded, error)
}

// Waker wakes dispatch.
type Waker interface {
	Wake(ctx context.Context) error
}

// Counter counts metrics.
type Counter interface {
	Count(counts map[string]int64) error
}

// Handler handles batches of the notice queue. It is idempotent: an object is recorded by a conditional write, and a
// redelivered event finds it there.
type Handler struct {
	Bucket    string
	Manifests Manifests
	Ledger    inbox.Writer
	Waker     Waker
	Metrics   Counter
	Now       func() time.Time
}

// Handle answers with the messages that are to be delivered again.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	failed := h.handle(ctx, batch.Records)
	var answer events.SQSEventResponse
	for _, m := range batch.Records {
		if err := failed[m.MessageId]; err != nil {
			slog.Error("not noticed", "message", m.MessageId, "error", err.Error())
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return answer, nil
}

type message struct {
	inbox.Arrival
	id string
	// again: an earlier delivery failed, perhaps after its write, so its metric may be missing.
	again bool
}

func (h *Handler) handle(ctx context.Context, records []events.SQSMessage) map[string]error {
	failed := map[string]error{}
	failAll := func(messages []message, err error) {
		for _, m := range messages {
			failed[m.id] = err
		}
	}
	loaded, err := h.Manifests.Load(ctx)
	if err != nil {
		for _, r := range records {
			failed[r.MessageId] = err
		}
		return failed
	}
	partitions := map[string][]message{}
	for _, r := range records {
		m, err := h.parse(r)
		if err != nil {
			failed[r.MessageId] = err
			continue
		}
		m.Partition = inbox.Partition(loaded.Manifest, m.Key)
		partitions[m.Partition] = append(partitions[m.Partition], m)
	}
	var routed []message
	for _, p := range slices.Sorted(maps.Keys(partitions)) {
		messages := partitions[p]
		if err := h.record(ctx, p, messages); err != nil {
			failAll(messages, err)
			continue
		}
		if _, special := metricOf[p]; !special {
			routed = append(routed, messages...)
		}
	}
	// An earlier delivery may have died between its write and its wake, so duplicates wake too; waking is cheap and
	// starts nothing where there is no work.
	if len(routed) > 0 {
		if err := h.Waker.Wake(ctx); err != nil {
			failAll(routed, err)
		}
	}
	return failed
}

// metricOf names what is counted of the arrivals that belong to no dataset, if anything.
var metricOf = map[string]string{
	ledger.Unroutable:   contract.UnroutableObjects,
	ledger.Failed:       contract.FailedDeliveries,
	ledger.Transactions: "", // split is told of them on a way of its own, and looks for them
	ledger.Ignored:      "",
}

func (h *Handler) record(ctx context.Context, partition string, messages []message) error {
	arrivals := make([]inbox.Arrival, len(messages))
	for i, m := range messages {
		arrivals[i] = m.Arrival
	}
	recorded, err := inbox.Arrive(ctx, h.Ledger, partition, arrivals)
	metric := metricOf[partition]
	if err != nil || metric == "" {
		return err
	}
	fresh := map[string]bool{}
	for _, m := range messages {
		if recorded[m.Hash()] || m.again {
			fresh[m.Hash()] = true
		}
	}
	return h.Metrics.Count(map[string]int64{metric: int64(len(fresh))})
}

func (h *Handler) parse(r events.SQSMessage) (message, error) {
	arrival, err := inbox.ParseEvent(r.Body, h.Bucket, h.Now())
	if err != nil {
		return message{}, err
	}
	count := r.Attributes["ApproximateReceiveCount"]
	return message{id: r.MessageId, again: count != "" && count != "1", Arrival: arrival}, nil
}
