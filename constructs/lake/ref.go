package lake

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/storage"
)

// asLakeRef is the lake as its sources see it.
type asLakeRef struct{ lake *Lake }

var _ catalog.LakeRef = asLakeRef{}

func (r asLakeRef) Raw() storage.ZoneRef        { return r.lake.raw }
func (r asLakeRef) Manifest() *catalog.Manifest { return r.lake.manifest }
func (r asLakeRef) Ledger() catalog.LedgerRef   { return r.lake.ledger }
func (r asLakeRef) Waker() catalog.Waker        { return r.lake.pipeline }
func (r asLakeRef) Alarms() catalog.Alarms      { return r.lake.alarms }
func (r asLakeRef) Key() awskms.IKey            { return r.lake.keys.Control() }
func (r asLakeRef) LogRetention() time.Duration { return r.lake.props.LogRetention }
func (r asLakeRef) AllowDeletion() bool         { return r.lake.props.AllowDeletion }
