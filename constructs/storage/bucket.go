package storage

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/security"
)

// abortIncompleteDays ends uploads that nobody completes; their parts are billed though no listing shows them.
const abortIncompleteDays = 7

// minimumTLS is the oldest TLS version a request may use.
const minimumTLS = 1.2

// bucketSpec is what the buckets of this package differ in. A nil key means SSE-S3.
type bucketSpec struct {
	key           awskms.IKey
	rules         []*awss3.LifecycleRule
	allowDeletion bool
	configure     func(*awss3.BucketProps)
}

// newBucket makes a private, versioned, encrypted bucket that refuses anything but current TLS.
func newBucket(scope constructs.Construct, id string, spec bucketSpec) (awss3.Bucket, *awss3.BucketProps) {
	rules := append([]*awss3.LifecycleRule{{
		Id: jsii.String("AbortIncompleteUploads"), AbortIncompleteMultipartUploadAfter: days(abortIncompleteDays),
	}}, spec.rules...)
	p := &awss3.BucketProps{LifecycleRules: &rules}
	if spec.configure != nil {
		spec.configure(p)
	}
	p.BlockPublicAccess = awss3.BlockPublicAccess_BLOCK_ALL()
	p.PublicReadAccess = nil
	p.AccessControl = ""
	p.ObjectOwnership = awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED
	p.EnforceSSL = jsii.Bool(true)
	p.MinimumTLSVersion = jsii.Number(minimumTLS)
	p.Versioned = jsii.Bool(true)
	p.RemovalPolicy = security.RemovalPolicy(scope, spec.allowDeletion)
	p.EventBridgeEnabled = nil // the L1 property is set where events are wanted; the L2 one adds a Lambda
	p.ServerAccessLogsBucket = nil
	p.ServerAccessLogsPrefix = nil
	if spec.key != nil {
		p.Encryption = awss3.BucketEncryption_KMS
		p.EncryptionKey = spec.key
		p.BucketKeyEnabled = jsii.Bool(true)
	} else {
		p.Encryption = awss3.BucketEncryption_S3_MANAGED
		p.EncryptionKey = nil
		p.BucketKeyEnabled = nil
	}
	b := awss3.NewBucket(scope, jsii.String(id), p)
	if spec.key != nil {
		denyOtherKeys(b, *spec.key.KeyArn())
	}
	// A bucket that stays keeps its policy: it must not become reachable without TLS when its stack goes.
	b.Policy().ApplyRemovalPolicy(p.RemovalPolicy)
	return b, p
}

// denyOtherKeys refuses uploads that ask for other encryption than the bucket's default. Uploads that ask for none get
// the default and are let through: a negated condition also matches a request without its key, so presence is tested on
// its own. One that asks for aws:kms without naming a key would get the account's AWS managed key, and is refused.
func denyOtherKeys(b awss3.Bucket, keyArn string) {
	deny := func(sid string, conditions map[string]any) {
		b.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String(sid), Effect: awsiam.Effect_DENY,
			Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
			Actions:    jsii.Strings("s3:PutObject"),
			Resources:  &[]*string{b.ArnForObjects(jsii.String("*"))},
			Conditions: &conditions,
		}))
	}
	deny("DenyOtherKeys", map[string]any{
		"Null":            map[string]any{"s3:x-amz-server-side-encryption": "false"},
		"StringNotEquals": map[string]any{"s3:x-amz-server-side-encryption-aws-kms-key-id": keyArn},
	})
	deny("DenyCustomerProvidedKeys", map[string]any{
		"Null": map[string]any{"s3:x-amz-server-side-encryption-customer-algorithm": "false"},
	})
}

func days(n int) awscdk.Duration { return awscdk.Duration_Days(jsii.Number(float64(n))) }

func cfnBucket(b awss3.Bucket) awss3.CfnBucket { return b.Node().DefaultChild().(awss3.CfnBucket) }
