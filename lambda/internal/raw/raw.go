// Package raw reads landed objects.
package raw

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strata-cdk/strata/lambda/contract"
)

// Getter reads objects.
type Getter interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Open opens the noticed version of an object, whatever lies under its key by now. The caller closes it.
func Open(ctx context.Context, client Getter, bucket string, o contract.Object) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &o.Key}
	if o.Version != "null" {
		in.VersionId = &o.Version
	}
	out, err := client.GetObject(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	return out.Body, nil
}
