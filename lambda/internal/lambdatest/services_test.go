package lambdatest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const machineARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:Pipeline"

// machine is a state machine whose executions the tests drive. Names stay taken, as with the service.
type machine struct {
	executions map[string]*execution
	started    []string
	// described is called before an execution is described.
	described func()
}

type execution struct {
	name, input string
	status      sfntypes.ExecutionStatus
	error       string
}

func (m *machine) start(in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	name := aws.ToString(in.Name)
	if x := m.executions[name]; x != nil {
		if x.input != aws.ToString(in.Input) || x.status != sfntypes.ExecutionStatusRunning {
			return nil, &sfntypes.ExecutionAlreadyExists{Message: aws.String("Execution Already Exists: '" + name + "'")}
		}
		return &sfn.StartExecutionOutput{}, nil
	}
	m.executions[name] = &execution{name: name, input: aws.ToString(in.Input), status: sfntypes.ExecutionStatusRunning}
	m.started = append(m.started, name)
	return &sfn.StartExecutionOutput{}, nil
}

func (m *machine) describe(in *sfn.DescribeExecutionInput) (*sfn.DescribeExecutionOutput, error) {
	if m.described != nil {
		m.described()
	}
	arn := aws.ToString(in.ExecutionArn)
	x := m.executions[arn[strings.LastIndexByte(arn, ':')+1:]]
	if x == nil {
		return nil, &sfntypes.ExecutionDoesNotExist{Message: aws.String("Execution Does Not Exist: '" + arn + "'")}
	}
	return &sfn.DescribeExecutionOutput{Status: x.status, Input: aws.String(x.input), Error: aws.String(x.error)}, nil
}

// running are the names of executions that have not ended, in the order they started.
func (m *machine) running() []string {
	var names []string
	for _, name := range m.started {
		if m.executions[name].status == sfntypes.ExecutionStatusRunning {
			names = append(names, name)
		}
	}
	return names
}

// queue is the wake queue; it drops a message whose deduplication id it has seen.
type queue struct {
	seen     map[string]bool
	messages []*sqs.SendMessageInput
}

func (q *queue) send(in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	if id := aws.ToString(in.MessageDeduplicationId); !q.seen[id] {
		q.seen[id] = true
		q.messages = append(q.messages, in)
	}
	return &sqs.SendMessageOutput{}, nil
}

type topic struct{ messages []*sns.PublishInput }
