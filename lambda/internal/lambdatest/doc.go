// Package lambdatest tests the Lambdas together, against a DynamoDB and an S3 that evaluate real expressions: whole
// flows, a kill at every side effect, and random interleavings. It has no code of its own.
package lambdatest
