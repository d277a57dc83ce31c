package storage

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

const day = 24 * time.Hour

// DefaultAccessLogRetention is how long access logs are kept where nothing else is said.
const DefaultAccessLogRetention = 400 * day

// AccessLogsProps configures the bucket of server access logs.
type AccessLogsProps struct {
	// Retention is how long logs are kept, in whole days, at least one.
	// Default: 400 days, so that a year can be compared with the one before.
	Retention time.Duration
	// AllowDeletion lets CloudFormation delete the bucket with the stack, if it is empty and the context flag
	// strata:allow-deletion is set as well.
	// Default: false, the bucket is retained.
	AllowDeletion bool
	// Configure changes the bucket's properties after the defaults are set. Public access block, ownership, encryption,
	// TLS, versioning and the removal policy stay as they are here.
	// Default: nothing is changed.
	Configure func(*awss3.BucketProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *AccessLogsProps) Validate() error {
	if p == nil {
		return nil
	}
	var l check.List
	checkDays(&l, "Retention", p.Retention)
	return l.Err()
}

// checkDays adds a problem if d is neither zero nor a positive number of whole days.
func checkDays(l *check.List, path string, d time.Duration) {
	if d < 0 || d%day != 0 {
		l.Add(path, "is no number of whole days", d, "a positive multiple of 24h, or zero for the default")
	}
}

// AccessLogs is the bucket that receives the server access logs of the other buckets, each under a prefix of its own. It
// uses SSE-S3, since log delivery to a bucket under SSE-KMS with a customer key fails. It costs what its objects cost.
type AccessLogs struct {
	constructs.Construct
	bucket awss3.Bucket
}

// NewAccessLogs makes the bucket.
func NewAccessLogs(scope constructs.Construct, id string, props *AccessLogsProps) *AccessLogs {
	check.Must(*scope.Node().Path()+"/"+id, props.Validate())
	if props == nil {
		props = &AccessLogsProps{}
	}
	a := &AccessLogs{}
	constructs.NewConstruct_Override(a, scope, jsii.String(id))
	retention := props.Retention
	if retention == 0 {
		retention = DefaultAccessLogRetention
	}
	a.bucket, _ = newBucket(a, "Bucket", bucketSpec{
		rules: []*awss3.LifecycleRule{{
			Id: jsii.String("ExpireLogs"), Expiration: days(int(retention / day)), NoncurrentVersionExpiration: days(1),
		}},
		allowDeletion: props.AllowDeletion,
		configure:     props.Configure,
	})
	return a
}

// Bucket is the bucket as the CDK knows it.
func (a *AccessLogs) Bucket() awss3.IBucket { return a.bucket }

// Receive makes source log its requests under prefix, which ends in a slash, and lets S3 deliver them for source alone.
func (a *AccessLogs) Receive(source awss3.Bucket, prefix string) {
	if !strings.HasSuffix(prefix, "/") {
		panic(fmt.Sprintf("storage: %q is no prefix for access logs; allowed: a folder that ends in a slash", prefix))
	}
	a.bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("logging.s3.amazonaws.com"), nil)},
		Actions:    jsii.Strings("s3:PutObject"),
		Resources:  &[]*string{a.bucket.ArnForObjects(jsii.String(prefix + "*"))},
		Conditions: &map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(a).Account()},
			"ArnEquals":    map[string]any{"aws:SourceArn": source.BucketArn()},
		},
	}))
	// The L2 prop grants by ACL or by policy depending on a feature flag of the app; this is the same in every app.
	cfnBucket(source).SetLoggingConfiguration(&awss3.CfnBucket_LoggingConfigurationProperty{
		DestinationBucketName: a.bucket.BucketName(), LogFilePrefix: jsii.String(prefix),
	})
}
