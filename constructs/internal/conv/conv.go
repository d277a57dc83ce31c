// Package conv turns plain Go values into what jsii wants.
package conv

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// Text is a pointer to s, or nil when s is empty.
func Text(s string) *string {
	if s == "" {
		return nil
	}
	return jsii.String(s)
}

// StringMap is a map of strings as jsii takes it. A nil map stays nil.
func StringMap(m map[string]string) *map[string]*string {
	if m == nil {
		return nil
	}
	out := make(map[string]*string, len(m))
	for k, v := range m {
		out[k] = jsii.String(v)
	}
	return &out
}

// Duration is d in whole seconds; a fraction of a second is cut. Zero becomes nil, so that the construct's own default
// holds.
func Duration(d time.Duration) awscdk.Duration {
	if d == 0 {
		return nil
	}
	return awscdk.Duration_Seconds(jsii.Number(float64(d / time.Second)))
}
