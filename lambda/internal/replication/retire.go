package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dms "github.com/aws/aws-sdk-go-v2/service/databasemigrationservice"
	"github.com/aws/aws-sdk-go-v2/service/databasemigrationservice/types"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// grace is how long a configuration of an earlier generation is kept, since a deployment that is rolled back needs it.
const grace = time.Hour

// retire ends the replications of earlier generations. CloudFormation deletes their configurations, but cannot while they
// run: they run on until the current generation is loaded, so that the tables stay fresh, are then stopped, and deleted
// after the grace if CloudFormation has left them.
func (h *Handler) retire(ctx context.Context, v *view) error {
	var problems []error
	left := slices.Clone(v.record.Retired)
	for _, o := range v.record.Retired {
		gone, err := h.retireOne(ctx, v, o)
		if err != nil {
			problems = append(problems, fmt.Errorf("retire %s: %w", o.Config, err))
		}
		if gone {
			left = slices.DeleteFunc(left, func(other ledger.Retired) bool { return other == o })
		}
	}
	if len(left) == len(v.record.Retired) {
		return errors.Join(problems...)
	}
	v.record.Retired = left
	err := h.Ledger.Apply(ctx, ledger.PutReplication(v.record))
	if ledger.Refused(err) {
		err = nil
	}
	return errors.Join(append(problems, err)...)
}

func (h *Handler) retireOne(ctx context.Context, v *view, o ledger.Retired) (gone bool, err error) {
	r, found, err := h.describe(ctx, o.Config)
	if err != nil || !found {
		return !found && err == nil, err
	}
	expired := o.Since <= contract.Time(v.now.Add(-grace))
	switch status := aws.ToString(r.Status); {
	case status == statusRunning && (v.loaded || v.record.Paused):
		_, err = h.DMS.StopReplication(ctx, &dms.StopReplicationInput{ReplicationConfigArn: &o.Config})
	case slices.Contains([]string{statusCreated, statusReady, statusStopped, statusFailed}, status) && expired:
		_, err = h.DMS.DeleteReplicationConfig(ctx, &dms.DeleteReplicationConfigInput{ReplicationConfigArn: &o.Config})
	}
	var missing *types.ResourceNotFoundFault
	var state *types.InvalidResourceStateFault
	if errors.As(err, &missing) || errors.As(err, &state) {
		return false, nil
	}
	return false, err
}
