package operations

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
)

func TestValidate(t *testing.T) {
	var topic struct{ awssns.ITopic }
	tests := []struct {
		name string
		give *AlarmsProps
		want []string
	}{
		{"least", &AlarmsProps{Lake: "commerce"}, nil},
		{"unresolved address", &AlarmsProps{Lake: "commerce", Emails: []string{"${Token[TOKEN.1]}"}}, nil},
		{"nothing", nil, []string{"Lake: is no lake name"}},
		{"every problem", &AlarmsProps{Lake: "Commerce", Topic: topic, DeadLetters: map[string]awssqs.IQueue{"notice queue": nil},
			Emails: []string{"a@b.org", "nobody", "a@b.org"}, Configure: func(*awssns.TopicProps) {}}, []string{
			"Configure: has no effect on a topic that is brought; allowed: leave it out, or leave out Topic",
			`DeadLetters["notice queue"]: is no name for an alarm; got "notice queue"`,
			`DeadLetters["notice queue"]: is nil; allowed: a queue`,
			"Emails: has no effect on a topic that is brought",
			`Emails[1]: is no e-mail address; got "nobody"`,
			`Emails[2]: is there twice; got "a@b.org"`,
			`Lake: is no lake name; got "Commerce"`,
		}},
	}
	for _, tt := range tests {
		err := tt.give.Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
			continue
		}
		if err == nil {
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), "\n  "+want) {
				t.Errorf("%s: want %q in %v", tt.name, want, err)
			}
		}
		if strings.Count(err.Error(), "\n") != len(tt.want) {
			t.Errorf("%s: want %d problems, got %v", tt.name, len(tt.want), err)
		}
	}
}
