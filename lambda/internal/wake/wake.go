// Package wake asks dispatch to look for work, at most once per window.
package wake

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/env"
)

// Sender sends queue messages.
type Sender interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queue is the wake queue: FIFO, and its delay is the window. A message sent in a window becomes visible only after the
// window's end, so the one message that deduplication leaves per window sees every arrival of it.
type Queue struct {
	Client Sender
	URL    string
	Window time.Duration
	Now    func() time.Time
}

// Wake sends the window's message; all but the first of a window are dropped by the queue.
func (q *Queue) Wake(ctx context.Context) error {
	_, err := q.Client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:               &q.URL,
		MessageBody:            aws.String(`{"action":"` + contract.ActionDrain + `"}`),
		MessageGroupId:         aws.String(contract.WakeGroup),
		MessageDeduplicationId: aws.String(strconv.FormatInt(q.Now().Unix()/int64(q.Window/time.Second), 10)),
	})
	if err != nil {
		return fmt.Errorf("wake dispatch: %w", err)
	}
	return nil
}

// New takes the queue and its window from the environment.
func New(client Sender, v env.Vars) *Queue {
	return &Queue{Client: client, URL: v[contract.WakeQueueURL], Window: time.Duration(v.Int(contract.WindowSeconds)) * time.Second, Now: time.Now}
}
