// Package storage holds the lake's buckets: the zones, the artifacts and the access logs, and the interface by which a
// source claims prefixes of the raw zone.
package storage

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/strata-cdk/strata/constructs/dataset"
)

// ZoneRef is a bucket under a customer key, owned or imported. Prefixes in its grants are object key prefixes that end
// in a slash ("sales/"); without any, a grant covers the whole bucket. Every grant covers the key as well.
type ZoneRef interface {
	// BucketName is the bucket's name.
	BucketName() string
	// BucketArn is the bucket's ARN.
	BucketArn() string
	// Bucket is the bucket as the CDK knows it.
	Bucket() awss3.IBucket
	// Key is the customer key of the bucket.
	Key() awskms.IKey
	// URI is the s3:// address of an object key or prefix.
	URI(key string) string
	// GrantRead lets grantee read and list current objects.
	GrantRead(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantReadVersions lets grantee read and list current and earlier versions.
	GrantReadVersions(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantRestore lets grantee look at objects and their versions, and fetch those that are in an archive class.
	GrantRestore(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantWrite lets grantee put and delete objects, in parts as well.
	GrantWrite(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantPut lets grantee put objects, in parts as well, and delete none.
	GrantPut(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantReadWrite is GrantRead and GrantWrite.
	GrantReadWrite(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantRemove lets grantee read and list current and earlier versions, and remove each for good.
	GrantRemove(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant
	// GrantReadLifecycle lets grantee read when the bucket's objects expire.
	GrantReadLifecycle(grantee awsiam.IGrantable) awsiam.Grant
	// GrantFind lets grantee learn that an object does not exist, and list the keys of the bucket.
	GrantFind(grantee awsiam.IGrantable) awsiam.Grant
}

// Source is something that lands objects in the raw zone: a plain value, so that every problem of a lake is found before
// its first construct is made.
type Source interface {
	// Specs are the datasets the source delivers.
	Specs() []dataset.Spec
	// Landings are the prefixes of the raw zone the source claims under its id, one or more per dataset.
	Landings(id string) []dataset.Landing
	// Validate reports every problem of the declaration.
	Validate() error
	// Attach builds what the source needs below scope and lets it write under its prefixes of the raw zone.
	Attach(scope constructs.Construct, id string, lake LakeRef) constructs.Construct
}

// LakeRef is the lake a source is attached to, as far as every source needs it. What takes part in the lake's control as
// well needs a catalog.LakeRef, which lake.New always gives.
type LakeRef interface {
	// Raw is the landing zone.
	Raw() ZoneRef
}
