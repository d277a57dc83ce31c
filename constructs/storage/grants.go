package storage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/security"
)

// access is what a grant allows: actions on objects, actions on the bucket that list, and the use of the key.
type access struct {
	objects, list []string
	key           func(awskms.IKey, awsiam.IGrantable) awsiam.Grant
}

var (
	read = access{objects: []string{"s3:GetObject"}, list: []string{"s3:ListBucket"}, key: security.GrantDecrypt}
	// Copying an earlier version of an object by its version id reads it with GetObjectVersion.
	readVersions = access{objects: []string{"s3:GetObject", "s3:GetObjectVersion"},
		list: []string{"s3:ListBucket", "s3:ListBucketVersions"}, key: security.GrantDecrypt}
	restore = access{objects: []string{"s3:GetObjectVersion", "s3:RestoreObject"}, key: security.GrantDecrypt}
	remove  = access{objects: []string{"s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion"},
		list: []string{"s3:ListBucket", "s3:ListBucketVersions"}, key: security.GrantDecrypt}
	// PutObject covers creating and completing a multipart upload; giving one up is an action of its own.
	put       = access{objects: []string{"s3:AbortMultipartUpload", "s3:PutObject"}, key: security.GrantEncrypt}
	write     = access{objects: []string{"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"}, key: security.GrantEncrypt}
	readWrite = access{objects: []string{"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
		list: []string{"s3:ListBucket"}, key: security.GrantEncrypt}
)

// GrantRead lets grantee read and list current objects.
func (z *Zone) GrantRead(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, read, prefixes)
}

// GrantReadVersions lets grantee read and list current and earlier versions.
func (z *Zone) GrantReadVersions(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, readVersions, prefixes)
}

// GrantRestore lets grantee look at objects and their versions, and fetch those that are in an archive class.
func (z *Zone) GrantRestore(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, restore, prefixes)
}

// GrantWrite lets grantee put and delete objects, in parts as well.
func (z *Zone) GrantWrite(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, write, prefixes)
}

// GrantPut lets grantee put objects, in parts as well, and delete none.
func (z *Zone) GrantPut(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, put, prefixes)
}

// GrantReadWrite is GrantRead and GrantWrite.
func (z *Zone) GrantReadWrite(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, readWrite, prefixes)
}

// GrantFind lets grantee learn that an object does not exist. S3 answers a request for such an object with 404 only to
// who may list the bucket, else with 403, and a request that names a key has no prefix that a grant below a prefix could
// be matched with. So it lets grantee list the bucket's keys as well, but read no object.
func (z *Zone) GrantFind(grantee awsiam.IGrantable) awsiam.Grant {
	return z.statement(grantee, []string{"s3:ListBucket"}, []string{z.BucketArn()},
		&map[string]*map[string]any{"Null": {"s3:prefix": "true"}})
}

// GrantRemove lets grantee read and list current and earlier versions, and remove each for good.
func (z *Zone) GrantRemove(grantee awsiam.IGrantable, prefixes ...string) awsiam.Grant {
	return z.grant(grantee, remove, prefixes)
}

// GrantReadLifecycle lets grantee read when the bucket's objects expire.
func (z *Zone) GrantReadLifecycle(grantee awsiam.IGrantable) awsiam.Grant {
	return z.statement(grantee, []string{"s3:GetLifecycleConfiguration"}, []string{z.BucketArn()}, nil)
}

func (z *Zone) grant(grantee awsiam.IGrantable, a access, prefixes []string) awsiam.Grant {
	prefixes = sortedPrefixes(prefixes)
	paths := make([]string, len(prefixes))
	for i, p := range prefixes {
		paths[i] = z.BucketArn() + "/" + p + "*"
	}
	g := z.statement(grantee, a.objects, paths, nil)
	if len(a.list) > 0 {
		var conditions *map[string]*map[string]any
		if !slices.Equal(prefixes, []string{""}) {
			like := make([]*string, len(prefixes))
			for i, p := range prefixes {
				like[i] = jsii.String(p + "*")
			}
			conditions = &map[string]*map[string]any{"StringLike": {"s3:prefix": &like}}
		}
		g = g.Combine(z.statement(grantee, a.list, []string{z.BucketArn()}, conditions))
	}
	g = g.Combine(a.key(z.key, grantee))
	acceptObjectPaths(grantee, prefixes)
	return g
}

func (z *Zone) statement(grantee awsiam.IGrantable, actions, arns []string, conditions *map[string]*map[string]any) awsiam.Grant {
	return awsiam.Grant_AddToPrincipalOrResource(&awsiam.GrantWithResourceOptions{
		Grantee: grantee, Actions: jsii.Strings(actions...), ResourceArns: jsii.Strings(arns...),
		Resource: z.bucket, Conditions: conditions,
	})
}

// sortedPrefixes is the sorted set of prefixes; none stands for the whole bucket. A prefix that would reach beyond its
// folder panics, since grants are code, not declarations.
func sortedPrefixes(prefixes []string) []string {
	if len(prefixes) == 0 {
		return []string{""}
	}
	sorted := slices.Clone(prefixes)
	slices.Sort(sorted)
	for _, p := range sorted {
		if !strings.HasSuffix(p, "/") || strings.HasPrefix(p, "/") || strings.ContainsAny(p, "*?") {
			panic(fmt.Sprintf("storage: %q is no prefix for a grant; allowed: folders that end in a slash, without * and ?, such as \"sales/\"", p))
		}
	}
	return slices.Compact(sorted)
}

// acceptObjectPaths accepts the finding that a policy of grantee names objects by path.
func acceptObjectPaths(grantee awsiam.IGrantable, prefixes []string) {
	parts := make([]string, len(prefixes))
	for i, p := range prefixes {
		parts[i] = `/^Resource::[^*]*\/` + strings.ReplaceAll(regexp.QuoteMeta(p), "/", `\/`) + `\*$/g`
	}
	security.AcceptGrant(grantee, security.Finding{Rule: "AwsSolutions-IAM5", AppliesTo: parts,
		Reason: "S3 grants reach objects by path below a prefix; the prefix is the lake's own."})
}
