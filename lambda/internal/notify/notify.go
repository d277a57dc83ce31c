// Package notify tells people what went wrong in a run and how to mend it.
package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Publisher publishes to a topic.
type Publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Topic is the lake's alarm topic.
type Topic struct {
	Client       Publisher
	ARN          string
	Lake         string
	WakeQueueURL string
}

// listed bounds the batches, and the objects of each, that a message spells out; longest bounds its bytes, of which SNS
// takes 256 KiB.
const (
	listed  = 20
	longest = 200_000
)

// Worth tells whether a run's outcome is something people have to know.
func Worth(r *ledger.Run, batches []*ledger.Batch) bool {
	return r.State != ledger.RunSucceeded || len(troubled(batches)) > 0
}

func troubled(batches []*ledger.Batch) []*ledger.Batch {
	var out []*ledger.Batch
	for _, b := range batches {
		if b.State == ledger.BatchFailed || b.State == ledger.BatchBlocked || (len(b.Unreadable) > 0 && b.Rerun == nil) {
			out = append(out, b)
		}
	}
	return out
}

// Tell publishes one message about a run and its batches.
func (t *Topic) Tell(ctx context.Context, r *ledger.Run, batches []*ledger.Batch) error {
	subject, text := t.Message(r, batches)
	_, err := t.Client.Publish(ctx, &sns.PublishInput{TopicArn: &t.ARN, Subject: aws.String(subject), Message: aws.String(text)})
	if err != nil {
		return fmt.Errorf("tell the alarm topic about run %s: %w", r.Name(), err)
	}
	return nil
}

// longestSubject is the most SNS takes: fewer than 100 characters.
const longestSubject = 99

// Message renders the subject (one line of at most 99 printable ASCII characters) and the text.
func (t *Topic) Message(r *ledger.Run, batches []*ledger.Batch) (subject, text string) {
	trouble := troubled(batches)
	var b strings.Builder
	if r.State == ledger.RunSucceeded {
		subject = fmt.Sprintf("Lake %s: %d of %d batches need attention", t.Lake, len(trouble), len(batches))
	} else {
		subject = fmt.Sprintf("Lake %s: run %s", t.Lake, strings.ReplaceAll(r.State, "_", " "))
	}
	subject = oneLine(subject)
	fmt.Fprintf(&b, "%s\n\nLake: %s\nRun: %s\nState: %s\n", subject, t.Lake, r.Name(), r.State)
	if r.Error != "" || r.Cause != "" {
		fmt.Fprintf(&b, "Error: %s\nCause: %s\n", r.Error, r.Cause)
	}
	fmt.Fprintf(&b, "Execution: %s\n", r.Execution)
	if open := countOpen(batches); open > 0 {
		fmt.Fprintf(&b, "%d of its batches have no outcome yet and run again by themselves.\n", open)
	}
	for i, batch := range trouble {
		if i == listed {
			fmt.Fprintf(&b, "\n… and %d more batches; the named query failed_batches lists them all.\n", len(trouble)-listed)
			break
		}
		t.batch(&b, batch)
	}
	text = b.String()
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "\n… cut; the named query failed_batches lists all batches.\n"
	}
	return subject, text
}

// oneLine makes a text fit for a subject.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), longestSubject)]
}

func (t *Topic) batch(b *strings.Builder, batch *ledger.Batch) {
	fmt.Fprintf(b, "\nBatch: %s\nDataset: %s\nState: %s\n", batch.ID, batch.Dataset, batch.State)
	if batch.Code != "" {
		fmt.Fprintf(b, "Code: %s\nReason: %s\n", batch.Code, batch.Reason)
	}
	for i, u := range batch.Unreadable {
		if i == listed {
			fmt.Fprintf(b, "… and %d more unreadable objects\n", len(batch.Unreadable)-listed)
			break
		}
		fmt.Fprintf(b, "Unreadable: %s (version %s): %s\n", u.Key, u.Version, u.Reason)
	}
	fmt.Fprintf(b, "When it is mended, replay it:\n%s\n", t.replay(batch.ID))
}

// replay is a shell command. It goes by the wake queue, the one way to dispatch that every function knows.
func (t *Topic) replay(batch string) string {
	return fmt.Sprintf(`aws sqs send-message --queue-url '%s' --message-group-id %s --message-deduplication-id "%s-$(date +%%s)" --message-body '{"action":"%s","batch":"%s"}'`,
		t.WakeQueueURL, contract.ReplayGroup, batch, contract.ActionReplay, batch)
}

func countOpen(batches []*ledger.Batch) int {
	n := 0
	for _, b := range batches {
		if b.Open() {
			n++
		}
	}
	return n
}
