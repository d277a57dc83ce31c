package processing

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/handler"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

const (
	restoreTimeout = 5 * time.Minute
	// A bulk retrieval from the deepest archive takes two days, and runs may have to wait for one another.
	replayTimeout = 7 * 24 * time.Hour
)

// newReplay makes the state machine that carries a replay to its end, and the function that fetches archived objects for
// it. Its input is the request that dispatch takes as a replay, with restore if it likes.
func (p *Pipeline) newReplay() {
	c := &p.props
	restore := handler.New(p, "Restore", handler.Props{
		Name:        "restore",
		Description: "Fetches archived objects that a replay is going to read",
		Environment: map[string]string{
			contract.Lake: c.Manifest.Manifest().Lake, contract.ArtifactsBucket: c.Artifacts.BucketName(),
		},
		Timeout: restoreTimeout, Memory: 256, LogGroup: p.logGroup("RestoreLog"),
	})
	c.Artifacts.GrantRead(restore, storage.Batches, storage.Replays)
	c.Raw.GrantRestore(restore)
	text, err := replayDefinition(replayTimeout)
	check.Must(*p.Node().Path(), err)
	p.replay = p.newStateMachine("Replay", text, map[string]any{
		"InvokeFunction":   p.integration("lambda:invoke"),
		"DispatchFunction": p.dispatch.FunctionArn(),
		"RestoreFunction":  restore.FunctionArn(),
	}, "Runs the state machine of replays")
	invoke(p.dispatch, p.replay.role)
	invoke(restore, p.replay.role)
	p.replay.watchEnds(p, p.props.Alarms, "ReplayFailed", "ReplayTimedOut", "A replay did not end well: the execution's cause says what failed, and why.")
}

// ReplayArn is the ARN of the state machine that carries replays to their ends.
func (p *Pipeline) ReplayArn() string { return p.replay.arn }

// GrantReplay lets grantee start replays and see what becomes of them, and nothing else.
func (p *Pipeline) GrantReplay(grantee awsiam.IGrantable) awsiam.Grant {
	return p.replay.grantStart(grantee)
}
