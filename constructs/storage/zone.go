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

// DefaultNoncurrentRetention is how long a table zone keeps deleted and overwritten objects where nothing else is said.
const DefaultNoncurrentRetention = 30 * day

// ZoneProps configures a zone.
type ZoneProps struct {
	// Key encrypts the zone. A key in the same account whose policy lets IAM policies decide.
	// Default: a new key, 1 USD a month.
	Key awskms.IKey
	// AccessLogs receives the zone's server access logs.
	// Default: a new bucket below the zone.
	AccessLogs *AccessLogs
	// LogPrefix is the folder of the zone's access logs, ending in a slash.
	// Default: the construct id in lower case and a slash.
	LogPrefix string
	// Landing makes this the zone where sources land objects: S3 sends its events to EventBridge, and an overwritten
	// object's earlier versions are kept as long as current ones, because batches name versions.
	// Default: false, a zone of tables.
	Landing bool
	// Retention is how long objects of a landing zone are kept, in whole days. Refused for table zones, where only the
	// table format may delete files.
	// Default: zero, forever.
	Retention time.Duration
	// NoncurrentRetention is how long a table zone keeps objects after their deletion, in whole days, as protection
	// against mistakes. Refused for landing zones.
	// Default: 30 days.
	NoncurrentRetention time.Duration
	// ResultRetention is how long a table zone keeps results of queries, which lie below QueryResults if a workgroup writes
	// them here, in whole days; once expired or overwritten they are gone for good a day later. Refused for landing zones.
	// Default: zero, no results lie here.
	ResultRetention time.Duration
	// AllowDeletion lets CloudFormation delete the zone with the stack, if it is empty and the context flag
	// strata:allow-deletion is set as well.
	// Default: false, the bucket is retained.
	AllowDeletion bool
	// Configure changes the bucket's properties after the defaults are set. Public access block, ownership, encryption,
	// TLS, versioning, access logs, events and the removal policy stay as they are here; lifecycle rules that expire
	// current objects or move them to an archive class are refused in table zones, since queries would silently miss them.
	// Default: nothing is changed.
	Configure func(*awss3.BucketProps)
}

// Validate reports every problem of the props. Nil props are valid.
func (p *ZoneProps) Validate() error {
	if p == nil {
		return nil
	}
	var l check.List
	checkDays(&l, "Retention", p.Retention)
	checkDays(&l, "NoncurrentRetention", p.NoncurrentRetention)
	checkDays(&l, "ResultRetention", p.ResultRetention)
	if !p.Landing && p.Retention != 0 {
		l.Add("Retention", "would delete the files of live tables", p.Retention, "zero, or Landing: true")
	}
	if p.Landing && p.NoncurrentRetention != 0 {
		l.Add("NoncurrentRetention", "would delete versions that batches still name", p.NoncurrentRetention,
			"zero, or Landing: false; versions of a landing zone live as long as current objects (Retention)")
	}
	if p.Landing && p.ResultRetention != 0 {
		l.Add("ResultRetention", "has no meaning for a landing zone, where no workgroup writes", p.ResultRetention, "zero, or Landing: false")
	}
	if p.LogPrefix != "" && !check.Unresolved(p.LogPrefix) && (!strings.HasSuffix(p.LogPrefix, "/") || strings.HasPrefix(p.LogPrefix, "/")) {
		l.Add("LogPrefix", "is no folder", p.LogPrefix, `a relative path that ends in a slash, such as "raw/"`)
	}
	return l.Err()
}

// Zone is a bucket of data: private, versioned, encrypted under its own key, reachable over TLS 1.2 or newer only, and
// refusing uploads under any other key. It costs what its objects and requests cost, and its key 1 USD a month.
type Zone struct {
	constructs.Construct
	bucket awss3.IBucket
	key    awskms.IKey
}

var _ ZoneRef = (*Zone)(nil)

// BucketName is the bucket's name.
func (z *Zone) BucketName() string { return *z.bucket.BucketName() }

// BucketArn is the bucket's ARN.
func (z *Zone) BucketArn() string { return *z.bucket.BucketArn() }

// Bucket is the bucket as the CDK knows it.
func (z *Zone) Bucket() awss3.IBucket { return z.bucket }

// Key is the customer key of the bucket.
func (z *Zone) Key() awskms.IKey { return z.key }

// URI is the s3:// address of an object key or prefix.
func (z *Zone) URI(key string) string { return "s3://" + z.BucketName() + "/" + key }

// NewZone makes a zone.
func NewZone(scope constructs.Construct, id string, props *ZoneProps) *Zone {
	path := *scope.Node().Path() + "/" + id
	check.Must(path, props.Validate())
	if props == nil {
		props = &ZoneProps{}
	}
	z := &Zone{}
	constructs.NewConstruct_Override(z, scope, jsii.String(id))
	z.key = security.NewKeyFor(z, "Key", props.Key, &security.KeyProps{
		Description: "Strata zone " + id, AllowDeletion: props.AllowDeletion,
	})
	bucket, configured := newBucket(z, "Bucket", bucketSpec{
		key: z.key, rules: props.lifecycle(), allowDeletion: props.AllowDeletion, configure: props.Configure,
	})
	if !props.Landing {
		check.Must(path, checkTableRules(configured.LifecycleRules))
	}
	z.bucket = bucket
	if props.Landing {
		cfnBucket(bucket).SetNotificationConfiguration(&awss3.CfnBucket_NotificationConfigurationProperty{
			EventBridgeConfiguration: &awss3.CfnBucket_EventBridgeConfigurationProperty{EventBridgeEnabled: jsii.Bool(true)},
		})
	}
	logInto(z, bucket, props.AccessLogs, props.LogPrefix, id, props.AllowDeletion)
	return z
}

func (p *ZoneProps) lifecycle() []*awss3.LifecycleRule {
	if p.Landing {
		if p.Retention == 0 {
			return nil
		}
		n := int(p.Retention / day)
		return []*awss3.LifecycleRule{{Id: jsii.String("Retention"), Expiration: days(n), NoncurrentVersionExpiration: days(n)}}
	}
	retention := p.NoncurrentRetention
	if retention == 0 {
		retention = DefaultNoncurrentRetention
	}
	rules := []*awss3.LifecycleRule{{
		Id: jsii.String("ExpireDeleted"), NoncurrentVersionExpiration: days(int(retention / day)),
		ExpiredObjectDeleteMarker: jsii.Bool(true),
	}}
	if p.ResultRetention != 0 {
		rules = append(rules, &awss3.LifecycleRule{
			Id: jsii.String("ExpireQueryResults"), Prefix: jsii.String(QueryResults),
			Expiration: days(int(p.ResultRetention / day)), NoncurrentVersionExpiration: days(1),
		})
	}
	return rules
}

// checkTableRules finds lifecycle rules that would take files away from live tables. Below QueryResults lie none.
func checkTableRules(rules *[]*awss3.LifecycleRule) error {
	var l check.List
	if rules == nil {
		return nil
	}
	for i, r := range *rules {
		if r.Prefix != nil && strings.HasPrefix(*r.Prefix, QueryResults) {
			continue
		}
		path := check.Index("Configure: LifecycleRules", i)
		if r.Expiration != nil || r.ExpirationDate != nil {
			l.Add(check.Join(path, "Expiration"), "would delete the files of live tables", nil, "noncurrent versions only")
		}
		if r.Transitions == nil {
			continue
		}
		for j, t := range *r.Transitions {
			if class := *t.StorageClass.Value(); class == "GLACIER" || class == "DEEP_ARCHIVE" || class == "GLACIER_IR" {
				l.Add(check.Join(path, check.Index("Transitions", j)), "moves the files of live tables to an archive class, which queries skip without an error",
					class, "STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING")
			}
		}
	}
	return l.Err()
}

// logInto sends the bucket's access logs to logs, or to a new bucket below scope when there is none.
func logInto(scope constructs.Construct, bucket awss3.Bucket, logs *AccessLogs, prefix, id string, allowDeletion bool) {
	if logs == nil {
		logs = NewAccessLogs(scope, "AccessLogs", &AccessLogsProps{AllowDeletion: allowDeletion})
	}
	if prefix == "" {
		prefix = strings.ToLower(id) + "/"
	}
	logs.Receive(bucket, prefix)
}
