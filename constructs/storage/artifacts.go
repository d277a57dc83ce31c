package storage

import (
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
)

// The folders of the artifacts bucket.
const (
	// Manifests holds the manifests, each under its hash.
	Manifests = "manifests/"
	// Batches holds the frozen lists and the copies of overwritten versions.
	Batches = "batches/"
	// Replays holds what each replay of the state machine works on.
	Replays = "replays/"
	// Runs holds what each attempt of a run works on.
	Runs = "runs/"
	// LedgerMirror holds the batch records for queries.
	LedgerMirror = "ledger/batches/"
	// Quality holds what became of quality rules, QualityResults, and statistics of columns, QualityProfiles.
	Quality         = "quality/"
	QualityResults  = Quality + "results/"
	QualityProfiles = Quality + "profiles/"
	// MaintenanceResults holds what maintenance did, a file for each run of it.
	MaintenanceResults = "maintenance/results/"
	// Corrections holds what became of corrections of refused records.
	Corrections = "corrections/"
	// ErasureRequests holds requests to erase somebody, which name them: an erasure removes its request, and what nobody
	// erases expires.
	ErasureRequests = "erasures/requests/"
	// ErasureCopies begins the folders of landed objects that an erasure had to copy to search them; it removes its own,
	// and those of one that died expire.
	ErasureCopies = Batches + "erase-"
	// ErasureResults and ErasureObjects hold the reports on erasures: what was removed and what remains, and the landed
	// objects that hold records of whom was erased.
	ErasureResults = "erasures/results/"
	ErasureObjects = "erasures/objects/"
	// ValidationResults holds what came of comparing tables with their sources, ValidationOutcomes how each validation
	// ended. ValidationMismatches holds keys and values of rows that differ, which expire.
	ValidationResults    = "validations/results/"
	ValidationOutcomes   = "validations/outcomes/"
	ValidationMismatches = "validations/mismatches/"
	// QueryResults holds the results of Athena, one folder per workgroup.
	QueryResults = "athena/"
)

// Requests to erase somebody, and copies of what was searched for them, hold personal data; a week is enough to start an
// erasure, and to try again what failed.
const (
	requestDays           = 7
	noncurrentRequestDays = 1
)

// mismatchDays is how long rows that differ from their source's are listed: they are data, which nobody looks for there.
const mismatchDays = 30

// DefaultResultRetention is how long query results are kept where nothing else is said.
const DefaultResultRetention = 30 * day

// ArtifactsProps configures the artifacts bucket.
type ArtifactsProps struct {
	// Key encrypts the bucket.
	// Default: a new key, 1 USD a month.
	Key awskms.IKey
	// AccessLogs receives the bucket's server access logs.
	// Default: a new bucket below this construct.
	AccessLogs *AccessLogs
	// LogPrefix is the folder of the bucket's access logs, ending in a slash.
	// Default: the construct id in lower case and a slash.
	LogPrefix string
	// ResultRetention is how long query results are kept, in whole days.
	// Default: 30 days.
	ResultRetention time.Duration
	// AllowDeletion lets CloudFormation delete the bucket with the stack, if it is empty and the context flag
	// strata:allow-deletion is set as well.
	// Default: false, the bucket is retained.
	AllowDeletion bool
	// Configure changes the bucket's properties after the defaults are set. Public access block, ownership, encryption,
	// TLS, versioning, access logs and the removal policy stay as they are here.
	// Default: nothing is changed.
	Configure func(*awss3.BucketProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *ArtifactsProps) Validate() error {
	if p == nil {
		return nil
	}
	var l check.List
	checkDays(&l, "ResultRetention", p.ResultRetention)
	if p.LogPrefix != "" && !check.Unresolved(p.LogPrefix) && (!strings.HasSuffix(p.LogPrefix, "/") || strings.HasPrefix(p.LogPrefix, "/")) {
		l.Add("LogPrefix", "is no folder", p.LogPrefix, `a relative path that ends in a slash, such as "artifacts/"`)
	}
	return l.Err()
}

// NewArtifacts makes the zone of what the lake writes about itself: manifests, frozen lists, run inputs, the ledger's
// mirror and query results. Query results, requests of erasures and rows that differ from their source's expire, the rest is
// kept as evidence.
func NewArtifacts(scope constructs.Construct, id string, props *ArtifactsProps) *Zone {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	if props == nil {
		props = &ArtifactsProps{}
	}
	a := &Zone{}
	constructs.NewConstruct_Override(a, scope, jsii.String(id))
	a.key = security.NewKeyFor(a, "Key", props.Key, &security.KeyProps{
		Description: "Strata artifacts", AllowDeletion: props.AllowDeletion,
	})
	results := props.ResultRetention
	if results == 0 {
		results = DefaultResultRetention
	}
	bucket, _ := newBucket(a, "Bucket", bucketSpec{
		key: a.key,
		rules: []*awss3.LifecycleRule{
			{Id: jsii.String("ExpireQueryResults"), Prefix: jsii.String(QueryResults), Expiration: days(int(results / day))},
			{Id: jsii.String("ExpireErasureRequests"), Prefix: jsii.String(ErasureRequests), Expiration: days(requestDays),
				NoncurrentVersionExpiration: days(noncurrentRequestDays)},
			{Id: jsii.String("ExpireErasureCopies"), Prefix: jsii.String(ErasureCopies), Expiration: days(requestDays),
				NoncurrentVersionExpiration: days(noncurrentRequestDays)},
			{Id: jsii.String("ExpireValidationMismatches"), Prefix: jsii.String(ValidationMismatches), Expiration: days(mismatchDays),
				NoncurrentVersionExpiration: days(noncurrentRequestDays)},
			{Id: jsii.String("ExpireDeleted"), NoncurrentVersionExpiration: days(int(DefaultNoncurrentRetention / day)),
				ExpiredObjectDeleteMarker: jsii.Bool(true)},
		},
		allowDeletion: props.AllowDeletion,
		configure:     props.Configure,
	})
	a.bucket = bucket
	logInto(a, bucket, props.AccessLogs, props.LogPrefix, id, props.AllowDeletion)
	return a
}
