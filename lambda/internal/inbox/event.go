package inbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/strata-cdk/strata/lambda/contract"
)

// ParseEvent reads an Object Created event of the raw bucket, which is seen at the time now.
func ParseEvent(body, bucket string, now time.Time) (Arrival, error) {
	var e contract.ObjectEvent
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return Arrival{}, fmt.Errorf("the body is not an EventBridge event: %w", err)
	}
	o := e.Detail.Object
	var problems []error
	if e.DetailType != contract.ObjectCreated {
		problems = append(problems, fmt.Errorf("detail-type: got %q, want %q", e.DetailType, contract.ObjectCreated))
	}
	if e.Source != contract.SourceS3 && e.Source != contract.SourceReconcile {
		problems = append(problems, fmt.Errorf("source: got %q, want %q or %q", e.Source, contract.SourceS3, contract.SourceReconcile))
	}
	if e.Detail.Bucket.Name != bucket {
		problems = append(problems, fmt.Errorf("detail.bucket.name: got %q, want the raw bucket %q", e.Detail.Bucket.Name, bucket))
	}
	if o.Key == "" {
		problems = append(problems, errors.New("detail.object.key: empty"))
	}
	if len(problems) > 0 {
		return Arrival{}, fmt.Errorf("not an event of a landed object: %w", errors.Join(problems...))
	}
	return Arrival{
		EventTime: e.Time,
		Object: contract.Object{Bucket: bucket, Key: o.Key, Version: cmp.Or(o.VersionID, "null"), Size: o.Size, ETag: o.ETag,
			NoticedAt: contract.Time(now)},
	}, nil
}
