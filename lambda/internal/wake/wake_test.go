package wake

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

type sender func(*sqs.SendMessageInput) error

func (s sender) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	return nil, s(in)
}

func TestOneMessagePerWindow(t *testing.T) {
	start := time.Unix(1_769_839_200, 0)
	tests := []struct {
		give time.Duration
		same bool
	}{{0, true}, {59 * time.Second, true}, {60 * time.Second, false}}
	for _, tt := range tests {
		var ids []string
		for _, now := range []time.Time{start, start.Add(tt.give)} {
			q := &Queue{URL: "u", Window: time.Minute, Now: func() time.Time { return now }, Client: sender(func(in *sqs.SendMessageInput) error {
				if aws.ToString(in.MessageGroupId) != "wake" || aws.ToString(in.MessageBody) != `{"action":"drain"}` || in.DelaySeconds != 0 {
					t.Errorf("message = %+v", in)
				}
				ids = append(ids, aws.ToString(in.MessageDeduplicationId))
				return nil
			})}
			if err := q.Wake(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if (ids[0] == ids[1]) != tt.same {
			t.Errorf("after %s: ids %v", tt.give, ids)
		}
	}
}

func TestWakeReportsFailure(t *testing.T) {
	q := &Queue{Window: time.Second, Now: time.Now, Client: sender(func(*sqs.SendMessageInput) error { return errors.New("no queue") })}
	if err := q.Wake(t.Context()); err == nil {
		t.Error("a failed wake went unseen")
	}
}
