package cdktest

import (
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

type size struct{ Width, Height int }

type topicProps struct {
	Name, Ignored, Needed, Wanted, Missed, Refused string
	Size                                           size
	hidden                                         int
}

// TestIneffectivePropsAreFound has a construct that reads some of its props: each of the others is told.
func TestIneffectivePropsAreFound(t *testing.T) {
	type props = topicProps
	problems := ineffective(t,
		func(awscdk.Stack) props { return props{Needed: "x", Wanted: "x", hidden: 1} },
		func(stack awscdk.Stack, p *props) {
			if p.Needed == "" {
				panic("Needed: is missing")
			}
			if p.Refused != "" {
				panic("no")
			}
			awssns.NewTopic(stack, jsii.String("T"), &awssns.TopicProps{TopicName: jsii.String("n" + p.Name), DisplayName: jsii.String(p.Needed), Fifo: jsii.Bool(p.Size.Width > 1)})
		},
		Changes[props]{
			"Name": {Do: func(_ awscdk.Stack, p *props) { p.Name = "b" }}, "Ignored": {Do: func(_ awscdk.Stack, p *props) { p.Ignored = "b" }},
			"Needed": {}, "Wanted": {}, "Gone": {}, "Refused": {Do: func(_ awscdk.Stack, p *props) { p.Refused = "b" }},
			"Size.Width": {Do: func(_ awscdk.Stack, p *props) { p.Size.Width = 2 }},
			"Size.Height": {
				Given: func(_ awscdk.Stack, p *props) { p.Name = "c" },
				Do:    func(_ awscdk.Stack, p *props) { p.Size.Height = 2 },
			},
		})
	want := []string{
		"Ignored: changes nothing",
		"Missed: no change of it is tried, so nobody would notice that nothing reads it",
		"Refused: its change is refused: no",
		"Size.Height: changes nothing",
		"Wanted: is left out, and nothing asks for it",
		"Gone: is no field; they are [Ignored Missed Name Needed Refused Size.Height Size.Width Wanted]",
	}
	if !slices.Equal(problems, want) {
		t.Errorf("got %q, want %q", problems, want)
	}
}
