// Package restore fetches what a replay is going to read from archive classes of S3, and waits for it.
package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Artifacts reads plans and the lists of batches.
type Artifacts interface {
	Read(ctx context.Context, key string) ([]byte, error)
	BatchList(ctx context.Context, batch string) (*contract.BatchList, error)
}

// Archive tells what class an object has, and fetches it.
type Archive interface {
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	RestoreObject(context.Context, *s3.RestoreObjectInput, ...func(*s3.Options)) (*s3.RestoreObjectOutput, error)
}

// Handler handles the restore event of a replay's state machine. It may be repeated at any time: what has been asked for
// is not asked for again, and what is there is left alone.
type Handler struct {
	Artifacts Artifacts
	Raw       Archive
	// Reserve is the time before the deadline at which no further batch is begun.
	Reserve time.Duration
}

// Request names a replay by its execution. Previous is the answer before, if there was one.
type Request struct {
	Action   string `json:"action"`
	Replay   string `json:"replay"`
	Previous Answer `json:"previous"`
}

// Answer says whether all is there. Wait is in seconds, to the next look; Waiting and Requested count objects that are on
// their way, and those of them that were just asked for. Next is the batch of the plan to go on with, where time ran short;
// the counts are then of the batches before.
type Answer struct {
	State     string `json:"state"`
	Wait      int    `json:"wait"`
	Waiting   int    `json:"waiting"`
	Requested int    `json:"requested"`
	Next      int    `json:"next"`
	Cause     string `json:"cause"`
}

const (
	atOnce = 16
	// shown bounds the objects that an error names.
	shown = 10
	// Expedited retrievals take minutes, others hours.
	waitExpedited = 60
	waitHours     = 900
)

// errTier is a tier that a class does not have.
var errTier = errors.New("is in DEEP_ARCHIVE, which has no Expedited retrieval: want restore.tier Standard or Bulk")

// Handle looks at every object that the replay is going to read and asks for those that are archived.
func (h *Handler) Handle(ctx context.Context, request Request) (Answer, error) {
	answer, err := h.handle(ctx, request)
	if err != nil {
		slog.Error("restore failed", "replay", request.Replay, "error", err.Error())
		return answer, err
	}
	slog.Info("restore", "replay", request.Replay, "state", answer.State, "waiting", answer.Waiting, "requested", answer.Requested, "cause", answer.Cause)
	return answer, nil
}

func (h *Handler) handle(ctx context.Context, request Request) (Answer, error) {
	if request.Action != contract.ActionRestore {
		return Answer{}, fmt.Errorf("action: got %q, want %q", request.Action, contract.ActionRestore)
	}
	body, err := h.Artifacts.Read(ctx, contract.ReplayKey(request.Replay))
	if err != nil {
		return Answer{}, err
	}
	var plan contract.ReplayPlan
	if err := json.Unmarshal(body, &plan); err != nil {
		return Answer{}, fmt.Errorf("read the plan of replay %s: %w", request.Replay, err)
	}
	if plan.Restore == nil {
		return Answer{State: contract.ReplayOpening}, nil
	}
	answer := Answer{State: contract.ReplayOpening, Wait: waitHours}
	if plan.Restore.Tier == string(types.TierExpedited) {
		answer.Wait = waitExpedited
	}
	first := request.Previous.Next
	if first > 0 {
		answer.Waiting, answer.Requested = request.Previous.Waiting, request.Previous.Requested
	}
	for i := first; i < len(plan.Batches); i++ {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < h.Reserve && i > first {
			return Answer{State: contract.ReplayRestoring, Wait: 1, Waiting: answer.Waiting, Requested: answer.Requested, Next: i}, nil
		}
		objects, err := h.objects(ctx, plan.Batches[i])
		if err != nil {
			return Answer{}, err
		}
		err = h.fetch(ctx, objects, *plan.Restore, &answer)
		if errors.Is(err, errTier) {
			return Answer{State: contract.ReplayFailed, Cause: err.Error()}, nil
		}
		if err != nil {
			return Answer{}, err
		}
	}
	if answer.Waiting > 0 {
		answer.State = contract.ReplayRestoring
	}
	return answer, nil
}

// objects are what a planned batch is going to read.
func (h *Handler) objects(ctx context.Context, item contract.PlannedBatch) ([]contract.Object, error) {
	list, err := h.Artifacts.BatchList(ctx, item.Batch)
	if err != nil || len(item.Objects) == 0 {
		return list.Objects, err
	}
	return slices.DeleteFunc(list.Objects, func(o contract.Object) bool {
		return !slices.Contains(item.Objects, contract.ObjectID{Key: o.Key, Version: o.Version})
	}), nil
}

// fetch asks for the archived ones among the objects, some at once, and counts those that are not there yet.
func (h *Handler) fetch(ctx context.Context, objects []contract.Object, how contract.Restore, answer *Answer) error {
	var problems []error
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, o := range objects {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			waiting, requested, err := h.one(ctx, o, how)
			mu.Lock()
			defer mu.Unlock()
			answer.Waiting += waiting
			answer.Requested += requested
			if err != nil {
				problems = append(problems, fmt.Errorf("s3://%s/%s version %s: %w", o.Bucket, o.Key, o.Version, err))
			}
		})
	}
	group.Wait()
	if more := len(problems) - shown; more > 0 {
		problems = append(problems[:shown], fmt.Errorf("and %d more", more))
	}
	return errors.Join(problems...)
}

// one looks at an object. A version that is gone is refine's to report.
func (h *Handler) one(ctx context.Context, o contract.Object, how contract.Restore) (waiting, requested int, err error) {
	head, err := h.Raw.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: versionOf(o)})
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("look at it: %w", err)
	}
	archived := head.StorageClass == types.StorageClassGlacier || head.StorageClass == types.StorageClassDeepArchive
	switch status := aws.ToString(head.Restore); {
	case strings.Contains(status, `ongoing-request="true"`):
		return 1, 0, nil
	case strings.Contains(status, `ongoing-request="false"`), !archived && head.ArchiveStatus == "":
		return 0, 0, nil
	}
	if how.Tier == string(types.TierExpedited) && head.StorageClass == types.StorageClassDeepArchive {
		return 0, 0, errTier
	}
	asked := &types.RestoreRequest{GlacierJobParameters: &types.GlacierJobParameters{Tier: types.Tier(how.Tier)}}
	if archived { // an archive tier of INTELLIGENT_TIERING gives the object back for good
		asked.Days = aws.Int32(int32(how.Days))
	}
	_, err = h.Raw.RestoreObject(ctx, &s3.RestoreObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: versionOf(o), RestoreRequest: asked})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "RestoreAlreadyInProgress" {
		return 1, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("ask for it: %w", err)
	}
	return 1, 1, nil
}

func versionOf(o contract.Object) *string {
	if o.Version == "null" {
		return nil
	}
	return &o.Version
}
