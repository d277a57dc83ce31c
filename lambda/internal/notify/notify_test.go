package notify

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

const id = "00112233445566778899aabbccddeeff"

func TestMessage(t *testing.T) {
	topic := &Topic{Lake: "commerce", WakeQueueURL: "https://sqs/Wake.fifo"}
	r := &ledger.Run{ID: id, Attempt: 2, State: ledger.RunTimedOut, Error: "States.Timeout", Cause: "60 minutes", Execution: "arn:x"}
	subject, text := topic.Message(r, []*ledger.Batch{
		{ID: "b1", Dataset: "sales.orders", State: ledger.BatchFailed, Code: "schema", Reason: "column a: bigint to int"},
		{ID: "b2", Dataset: "sales.items", State: ledger.BatchFrozen},
		{ID: "b3", Dataset: "sales.items", State: ledger.BatchApplied},
	})
	const want = `Lake commerce: run timed out

Lake: commerce
Run: 00112233445566778899aabbccddeeff-2
State: timed_out
Error: States.Timeout
Cause: 60 minutes
Execution: arn:x
1 of its batches have no outcome yet and run again by themselves.

Batch: b1
Dataset: sales.orders
State: failed
Code: schema
Reason: column a: bigint to int
When it is mended, replay it:
aws sqs send-message --queue-url 'https://sqs/Wake.fifo' --message-group-id replay --message-deduplication-id "b1-$(date +%s)" --message-body '{"action":"replay","batch":"b1"}'
`
	if text != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
	if subject != "Lake commerce: run timed out" {
		t.Errorf("subject = %q", subject)
	}
}

func TestMessageStaysWithinLimits(t *testing.T) {
	var batches []*ledger.Batch
	tests := []struct {
		key, want string
	}{
		{"k", "… and 480 more batches"},
		{"k", "… and 80 more unreadable objects"},
		{strings.Repeat("€", 300), "… cut; the named query failed_batches"},
	}
	for _, tt := range tests {
		batches = nil
		for i := range 500 {
			b := &ledger.Batch{ID: fmt.Sprint(i), State: ledger.BatchApplied}
			for range 100 {
				b.Unreadable = append(b.Unreadable, ledger.Unreadable{Key: tt.key, Reason: "truncated"})
			}
			batches = append(batches, b)
		}
		topic := &Topic{Lake: strings.Repeat("l", 31)}
		subject, text := topic.Message(&ledger.Run{ID: id, State: ledger.RunSucceeded}, batches)
		if len(subject) > 99 || len(text) > 256*1024 || !utf8.ValidString(text) || !strings.Contains(text, tt.want) {
			t.Errorf("subject of %d, text of %d bytes, want %q in it", len(subject), len(text), tt.want)
		}
	}
}

func TestSubjectIsOneShortLine(t *testing.T) {
	tests := []struct{ lake, state, want string }{
		{"commerce", ledger.RunSucceeded, "Lake commerce: 0 of 0 batches need attention"},
		{"a\r\nb\tü", ledger.RunAborted, "Lake a??b??: run aborted"},
		{strings.Repeat("l", 120), ledger.RunSucceeded, "Lake " + strings.Repeat("l", 94)},
		{strings.Repeat("l", 82), ledger.RunAborted, "Lake " + strings.Repeat("l", 82) + ": run aborte"},
		{"", strings.Repeat("s", 89), "Lake : run " + strings.Repeat("s", 88)},
	}
	for _, tt := range tests {
		subject, text := (&Topic{Lake: tt.lake}).Message(&ledger.Run{ID: id, State: tt.state}, nil)
		if subject != tt.want || len(subject) > 99 {
			t.Errorf("lake %q, %s: got %q of %d characters, want %q", tt.lake, tt.state, subject, len(subject), tt.want)
		}
		if !strings.HasPrefix(text, subject+"\n") {
			t.Errorf("the text starts with %q", text[:20])
		}
	}
}

func TestWorth(t *testing.T) {
	ok := &ledger.Run{State: ledger.RunSucceeded}
	tests := []struct {
		run   *ledger.Run
		batch ledger.Batch
		want  bool
	}{
		{ok, ledger.Batch{State: ledger.BatchApplied}, false},
		{ok, ledger.Batch{State: ledger.BatchBlocked}, true},
		{ok, ledger.Batch{State: ledger.BatchApplied, Unreadable: []ledger.Unreadable{{}}}, true},
		{ok, ledger.Batch{State: ledger.BatchApplied, Unreadable: []ledger.Unreadable{{}}, Rerun: &ledger.Rerun{}}, false},
		{&ledger.Run{State: ledger.RunAborted}, ledger.Batch{State: ledger.BatchApplied}, true},
	}
	for _, tt := range tests {
		if got := Worth(tt.run, []*ledger.Batch{&tt.batch}); got != tt.want {
			t.Errorf("Worth(%s, %+v) = %v", tt.run.State, tt.batch, got)
		}
	}
}
