package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/strata-cdk/strata/lambda/contract"
)

// shelf is a bucket with archived objects.
type shelf struct {
	mu      sync.Mutex
	objects map[string]*stored
	asked   []string
	fail    error
}

type stored struct {
	class   types.StorageClass
	archive types.ArchiveStatus
	restore string
}

func (s *shelf) HeadObject(_ context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[*in.Key+"@"+aws.ToString(in.VersionId)]
	if o == nil {
		return nil, &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusNotFound}}, Err: errors.New("NotFound")}}
	}
	out := &s3.HeadObjectOutput{StorageClass: o.class, ArchiveStatus: o.archive}
	if o.restore != "" {
		out.Restore = &o.restore
	}
	return out, nil
}

func (s *shelf) RestoreObject(_ context.Context, in *s3.RestoreObjectInput, _ ...func(*s3.Options)) (*s3.RestoreObjectOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	name := *in.Key + "@" + aws.ToString(in.VersionId)
	s.asked = append(s.asked, fmt.Sprintf("%s %s %d", name, in.RestoreRequest.GlacierJobParameters.Tier, aws.ToInt32(in.RestoreRequest.Days)))
	s.objects[name].restore = `ongoing-request="true"`
	return &s3.RestoreObjectOutput{}, nil
}

// papers are the artifacts: one plan, and a list of each batch.
type papers struct {
	plan  contract.ReplayPlan
	lists map[string][]contract.Object
}

func (p papers) Read(_ context.Context, key string) ([]byte, error) {
	if key != contract.ReplayKey("r") {
		return nil, fmt.Errorf("no %s", key)
	}
	return json.Marshal(p.plan)
}

func (p papers) BatchList(_ context.Context, batch string) (*contract.BatchList, error) {
	return &contract.BatchList{Objects: p.lists[batch]}, nil
}

func object(key string) contract.Object {
	return contract.Object{Bucket: "raw", Key: key, Version: "v"}
}

func newHandler(how *contract.Restore) (*Handler, *shelf) {
	s := &shelf{objects: map[string]*stored{
		"warm@v": {}, "cold@v": {class: types.StorageClassGlacier}, "deep@v": {class: types.StorageClassDeepArchive},
		"instant@v": {class: types.StorageClassGlacierIr}, "tiered@v": {class: types.StorageClassIntelligentTiering, archive: types.ArchiveStatusArchiveAccess},
		"back@v":  {class: types.StorageClassGlacier, restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"`},
		"other@v": {class: types.StorageClassGlacier}}}
	plan := contract.ReplayPlan{Restore: how, Batches: []contract.PlannedBatch{{Batch: "all"},
		{Batch: "some", Objects: []contract.ObjectID{{Key: "deep", Version: "v"}}}}}
	lists := map[string][]contract.Object{
		"all":  {object("warm"), object("cold"), object("instant"), object("tiered"), object("back"), object("gone")},
		"some": {object("deep"), object("other")}}
	return &Handler{Artifacts: papers{plan, lists}, Raw: s, Reserve: time.Minute}, s
}

func TestArchivedObjectsAreFetchedOnce(t *testing.T) {
	h, s := newHandler(&contract.Restore{Tier: "Bulk", Days: 7})
	ask := func() Answer {
		t.Helper()
		answer, err := h.Handle(t.Context(), Request{Action: "restore", Replay: "r"})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got, want := ask(), (Answer{State: "restoring", Wait: 900, Waiting: 3, Requested: 3}); got != want {
		t.Errorf("first = %+v, want %+v", got, want)
	}
	if got, want := ask(), (Answer{State: "restoring", Wait: 900, Waiting: 3}); got != want {
		t.Errorf("second = %+v, want %+v", got, want)
	}
	asked := strings.Join(s.asked, "; ")
	for _, want := range []string{"cold@v Bulk 7", "deep@v Bulk 7", "tiered@v Bulk 0"} {
		if strings.Count(asked, want) != 1 {
			t.Errorf("asked for %s, want one %s", asked, want)
		}
	}
	for _, name := range []string{"cold@v", "deep@v"} {
		s.objects[name].restore = `ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"`
	}
	s.objects["tiered@v"] = &stored{class: types.StorageClassIntelligentTiering}
	if got := ask(); got.State != "opening" || got.Waiting != 0 {
		t.Errorf("once all is there = %+v", got)
	}
}

func TestRestoreIsOnlyDoneWhenAskedFor(t *testing.T) {
	h, s := newHandler(nil)
	answer, err := h.Handle(t.Context(), Request{Action: "restore", Replay: "r"})
	if err != nil || answer.State != "opening" || len(s.asked) > 0 {
		t.Errorf("answer = %+v, %v, asked %v", answer, err, s.asked)
	}
}

func TestRestoreFailures(t *testing.T) {
	h, s := newHandler(&contract.Restore{Tier: "Expedited", Days: 1})
	answer, err := h.Handle(t.Context(), Request{Action: "restore", Replay: "r"})
	if err != nil || answer.State != "failed" || !strings.Contains(answer.Cause, "s3://raw/deep version v: is in DEEP_ARCHIVE, which has no Expedited retrieval") {
		t.Errorf("a tier that a class lacks = %+v, %v", answer, err)
	}
	delete(s.objects, "deep@v")
	if answer, err = h.Handle(t.Context(), Request{Action: "restore", Replay: "r"}); err != nil || answer.Wait != 60 {
		t.Errorf("expedited = %+v, %v", answer, err)
	}
	h, s = newHandler(&contract.Restore{Tier: "Bulk", Days: 1})
	s.fail = &smithy.GenericAPIError{Code: "RestoreAlreadyInProgress"}
	if answer, err = h.Handle(t.Context(), Request{Action: "restore", Replay: "r"}); err != nil || answer.Waiting != 3 || answer.Requested != 0 {
		t.Errorf("asked for by somebody else = %+v, %v", answer, err)
	}
	s.fail = &smithy.GenericAPIError{Code: "AccessDenied"}
	if _, err = h.Handle(t.Context(), Request{Action: "restore", Replay: "r"}); err == nil || !strings.Contains(err.Error(), "s3://raw/cold version v: ask for it: api error AccessDenied") {
		t.Errorf("error = %v", err)
	}
	if _, err = h.Handle(t.Context(), Request{Action: "replay"}); err == nil || !strings.Contains(err.Error(), `action: got "replay", want "restore"`) {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s.fail = nil
	if answer, err = h.Handle(ctx, Request{Action: "restore", Replay: "r"}); err != nil || answer != (Answer{State: "restoring", Wait: 1, Waiting: 2, Requested: 2, Next: 1}) {
		t.Errorf("short of time = %+v, %v", answer, err)
	}
	if answer, err = h.Handle(ctx, Request{Action: "restore", Replay: "r", Previous: answer}); err != nil || answer != (Answer{State: "restoring", Wait: 900, Waiting: 3, Requested: 3}) {
		t.Errorf("the rest = %+v, %v", answer, err)
	}
	if len(s.asked) != 3 {
		t.Errorf("asked for %v, want each once", s.asked)
	}
}
