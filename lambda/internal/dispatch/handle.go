package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Request is an event of dispatch. All fields but Action belong to replay.
type Request struct {
	Action string `json:"action"`
	// Batch is a batch id.
	Batch string `json:"batch"`
	// Dataset is a dataset id.
	Dataset string `json:"dataset"`
	// From and To bound the time a batch was frozen: RFC 3339 or yyyy-mm-dd (UTC); To is exclusive.
	From string `json:"from"`
	To   string `json:"to"`
	// State is blocked, failed, applied or empty.
	State string `json:"state"`
	// Force runs applied and empty batches again.
	Force bool `json:"force"`
	// Corrections is the key of a file of corrections in the raw bucket; it says which batches are replayed.
	Corrections string `json:"corrections"`
}

// Answer is what a call did.
type Answer struct {
	Summary
	*Replayed
	*Declared
}

// Declared is where the current manifest is kept, and its SHA-256.
type Declared struct {
	ManifestURI string `json:"manifest_uri"`
	Manifest    string `json:"manifest"`
}

const usage = `want {"action": "drain"}, {"action": "sweep"}, {"action": "publish"}, {"action": "manifest"}, {"action": "replay", ` +
	`"batch"?, "dataset"?, "from"?, "to"?, "state"?, "force"?} or {"action": "replay", "corrections"}`

// Handle handles an event: a request, or messages of the wake queue whose bodies are requests.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (any, error) {
	var queue events.SQSEvent
	if err := json.Unmarshal(event, &queue); err == nil && len(queue.Records) > 0 {
		return events.SQSEventResponse{}, h.handleMessages(ctx, queue.Records)
	}
	if c, ok := carry(event); ok {
		return h.carry(ctx, c)
	}
	answer, err := h.handle(ctx, event)
	if err != nil {
		slog.Error("dispatch failed", "error", err.Error())
		return nil, err
	}
	slog.Info("dispatched", "runs", len(answer.Runs), "skipped", len(answer.Skipped), "ended", len(answer.Ended))
	return answer, nil
}

// handleMessages handles each distinct body once: ten wakes are one drain.
func (h *Handler) handleMessages(ctx context.Context, messages []events.SQSMessage) error {
	var problems []error
	seen := map[string]bool{}
	for _, m := range messages {
		if seen[m.Body] {
			continue
		}
		seen[m.Body] = true
		answer, err := h.handle(ctx, []byte(m.Body))
		if err != nil {
			slog.Error("dispatch failed", "message", m.MessageId, "error", err.Error())
			problems = append(problems, fmt.Errorf("message %s: %w", m.MessageId, err))
			continue
		}
		slog.Info("dispatched", "message", m.MessageId, "runs", len(answer.Runs), "skipped", len(answer.Skipped), "ended", len(answer.Ended))
	}
	return errors.Join(problems...)
}

func (h *Handler) handle(ctx context.Context, event []byte) (*Answer, error) {
	request, err := parse(event)
	if err != nil {
		return nil, err
	}
	inv, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	var replayed *Replayed
	switch request.Action {
	case contract.ActionManifest:
		declared, err := inv.declared(ctx)
		return &Answer{Summary: inv.summary, Declared: declared}, err
	case contract.ActionReplay:
		if request.Corrections != "" {
			replayed, err = inv.correct(ctx, request)
		} else {
			replayed, err = inv.replay(ctx, request)
		}
	case contract.ActionPublish:
		err = inv.wantPublish(ctx)
	case contract.ActionSweep:
		err = inv.sweep(ctx)
	}
	if err == nil || request.Action == contract.ActionSweep {
		err = errors.Join(err, inv.drain(ctx))
	}
	if err != nil {
		return nil, err
	}
	return &Answer{Summary: inv.summary, Replayed: replayed}, nil
}

func parse(event []byte) (Request, error) {
	var r Request
	dec := json.NewDecoder(bytes.NewReader(event))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return r, fmt.Errorf("request %s: %s; %s", excerpt(event), strings.TrimPrefix(err.Error(), "json: "), usage)
	}
	switch r.Action {
	case contract.ActionReplay:
		return r, nil
	case contract.ActionDrain, contract.ActionSweep, contract.ActionPublish, contract.ActionManifest:
		if r != (Request{Action: r.Action}) {
			return r, fmt.Errorf("request %s: %s takes no other field; %s", excerpt(event), r.Action, usage)
		}
		return r, nil
	default:
		return r, fmt.Errorf("request %s: action: got %q; %s", excerpt(event), r.Action, usage)
	}
}

func excerpt(event []byte) string {
	const limit = 300
	if len(event) > limit {
		return string(event[:limit]) + "…"
	}
	return string(event)
}
