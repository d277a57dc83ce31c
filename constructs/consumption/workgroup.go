// Package consumption lets people and tools query the lake: Athena workgroups with enforced settings and named queries.
package consumption

import (
	"io/fs"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsathena"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/internal/conv"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

const (
	// DefaultScanLimit is how many bytes one query may scan where nothing else is said: 1 TiB, about 5.50 USD. It stops a
	// runaway query, not a large one.
	DefaultScanLimit int64 = 1 << 40
	// minScanLimit is the smallest limit Athena accepts.
	minScanLimit int64 = 10_000_000
)

var workgroupName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)

// WorkgroupProps configures a workgroup.
type WorkgroupProps struct {
	// Name is the workgroup's physical name, which clients must know: [a-zA-Z0-9._-]{1,128}, prefixed by the lake's name.
	Name string
	// Doc describes the workgroup, in at most 1,024 characters.
	// Default: no description.
	Doc string
	// Artifacts is the bucket that holds query results, under athena/<name>/ and encrypted under its key.
	Artifacts storage.ZoneRef
	// Operations is the operations database, over which the built-in query failed_batches runs.
	// Default: no built-in queries.
	Operations catalog.DatabaseRef
	// Queries holds named queries, one per file <name>.sql in any folder, naming tables as {{ ref("<id>") }}. Leading
	// comment lines become the query's description.
	// Default: the built-in queries only.
	Queries fs.FS
	// Manifest names the tables that queries may refer to: curated tables by their model's id, cleaned ones by their
	// dataset's.
	// Default: none; queries then name their tables themselves.
	Manifest *dataset.Manifest
	// ScanLimit cancels a query that has scanned this many bytes, at least 10,000,000. Athena costs 5 USD per TB scanned
	// (list price, us-east-1); what was scanned until then is billed.
	// Default: 1 TiB.
	ScanLimit int64
	// AllowDeletion lets CloudFormation delete queries that users saved together with the workgroup, if the context flag
	// strata:allow-deletion is set as well. Without it, a workgroup with such queries resists deletion.
	// Default: false.
	AllowDeletion bool
	// Configure changes the workgroup's properties after the defaults are set. Name, engine version, enforcement, result
	// location, result encryption, scan limit and metrics stay as they are here.
	// Default: nothing is changed.
	Configure func(*awsathena.CfnWorkGroupProps)
}

// Validate reports every problem of the props, those of the queries included.
func (p *WorkgroupProps) Validate() error {
	var l check.List
	if p == nil {
		p = &WorkgroupProps{}
	}
	if !check.Unresolved(p.Name) && !workgroupName.MatchString(p.Name) {
		l.Add("Name", "is no workgroup name", p.Name, workgroupName.String())
	}
	if len(p.Doc) > 1024 {
		l.Add("Doc", "is too long", len(p.Doc), "at most 1024 characters")
	}
	if p.Artifacts == nil {
		l.Add("Artifacts", "is missing", nil, "the artifacts bucket, such as storage.NewArtifacts(…)")
	}
	if p.ScanLimit != 0 && p.ScanLimit < minScanLimit {
		l.Add("ScanLimit", "is too small", p.ScanLimit, "at least 10000000 bytes, or zero for 1 TiB")
	}
	_, err := p.queries()
	l.Under("Queries", err)
	return l.Err()
}

// Workgroup is where readers run their queries: Athena engine version 3 with settings that clients cannot change, results
// under the artifacts' key, a limit on what one query may scan, and metrics. Idle it costs nothing.
type Workgroup struct {
	constructs.Construct
	name      string
	artifacts storage.ZoneRef
}

// NewWorkgroup makes the workgroup and its named queries.
func NewWorkgroup(scope constructs.Construct, id string, props *WorkgroupProps) *Workgroup {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	w := &Workgroup{name: props.Name, artifacts: props.Artifacts}
	constructs.NewConstruct_Override(w, scope, jsii.String(id))
	limit := props.ScanLimit
	if limit == 0 {
		limit = DefaultScanLimit
	}
	wp := &awsathena.CfnWorkGroupProps{Description: conv.Text(props.Doc)}
	if props.Configure != nil {
		props.Configure(wp)
	}
	wp.Name = jsii.String(props.Name)
	wp.RecursiveDeleteOption = jsii.Bool(security.RemovalPolicy(w, props.AllowDeletion) == awscdk.RemovalPolicy_DESTROY)
	wp.WorkGroupConfiguration = &awsathena.CfnWorkGroup_WorkGroupConfigurationProperty{
		BytesScannedCutoffPerQuery:      jsii.Number(float64(limit)),
		EnforceWorkGroupConfiguration:   jsii.Bool(true),
		PublishCloudWatchMetricsEnabled: jsii.Bool(true),
		EngineVersion: &awsathena.CfnWorkGroup_EngineVersionProperty{
			SelectedEngineVersion: jsii.String("Athena engine version 3"),
		},
		ResultConfiguration: &awsathena.CfnWorkGroup_ResultConfigurationProperty{
			OutputLocation:      jsii.String(props.Artifacts.URI(w.results())),
			ExpectedBucketOwner: awscdk.Stack_Of(w).Account(),
			EncryptionConfiguration: &awsathena.CfnWorkGroup_EncryptionConfigurationProperty{
				EncryptionOption: jsii.String("SSE_KMS"), KmsKey: props.Artifacts.Key().KeyArn(),
			},
		},
	}
	group := awsathena.NewCfnWorkGroup(w, jsii.String("Resource"), wp)
	queries, _ := props.queries() // Validate has reported the error
	for _, q := range queries {
		awsathena.NewCfnNamedQuery(w, jsii.String(q.id()), &awsathena.CfnNamedQueryProps{
			Name: jsii.String(q.name), Database: jsii.String(q.database), QueryString: jsii.String(q.sql),
			Description: conv.Text(q.doc), WorkGroup: group.Ref(),
		})
	}
	return w
}

// Name is the workgroup's name.
func (w *Workgroup) Name() string { return w.name }

// results is the folder of the workgroup's results.
func (w *Workgroup) results() string { return storage.QueryResults + w.name + "/" }
