package storage

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// ZoneAttributes identify a bucket that exists already.
type ZoneAttributes struct {
	// BucketName is the bucket's name.
	BucketName string
	// KeyArn is the ARN of the customer key that encrypts it.
	KeyArn string
}

// Validate reports every problem of the attributes.
func (a ZoneAttributes) Validate() error {
	var l check.List
	if a.BucketName == "" {
		l.Add("BucketName", "is missing", nil, "the name of an existing bucket")
	}
	if a.KeyArn == "" {
		l.Add("KeyArn", "is missing", nil, "the ARN of the bucket's customer key")
	}
	return l.Err()
}

// ZoneFromAttributes refers to an existing bucket and its key. Neither is ever changed: grants reach principals of the
// same account, and others only if the owner admits them.
func ZoneFromAttributes(scope constructs.Construct, id string, attributes ZoneAttributes) ZoneRef {
	check.Must(*scope.Node().Path()+"/"+id, attributes.Validate())
	z := &Zone{}
	constructs.NewConstruct_Override(z, scope, jsii.String(id))
	z.key = awskms.Key_FromKeyArn(z, jsii.String("Key"), jsii.String(attributes.KeyArn))
	z.bucket = awss3.Bucket_FromBucketAttributes(z, jsii.String("Bucket"), &awss3.BucketAttributes{
		BucketName: jsii.String(attributes.BucketName), EncryptionKey: z.key,
	})
	return z
}
