// Package artifacts reads and writes documents in S3 that never change once written, and the mirror of batch records.
package artifacts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// S3 is what the store needs of the service.
type S3 interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Store is the artifacts bucket.
type Store struct {
	Client S3
	Bucket string
}

// URI is the s3:// address of a key.
func (s *Store) URI(key string) string { return "s3://" + s.Bucket + "/" + key }

// Create writes a document unless the key exists already: its name determines its content, so whoever was first wrote
// the same.
func (s *Store) Create(ctx context.Context, key string, body []byte) error {
	_, err := s.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: bytes.NewReader(body),
		ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*")})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "PreconditionFailed" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", s.URI(key), err)
	}
	return nil
}

// Read returns the document under key.
func (s *Store) Read(ctx context.Context, key string) ([]byte, error) {
	return Read(ctx, s.Client, s.Bucket, key)
}

// Getter reads objects.
type Getter interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Read returns the content of an object.
func Read(ctx context.Context, client Getter, bucket, key string) ([]byte, error) {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
	}
	body, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
	}
	return body, nil
}

// CreateJSON writes v as a document unless the key exists already.
func (s *Store) CreateJSON(ctx context.Context, key string, v any) error {
	body, err := compact(v)
	if err != nil {
		return fmt.Errorf("render %s: %w", s.URI(key), err)
	}
	return s.Create(ctx, key, body)
}

// BatchList reads a batch's frozen list.
func (s *Store) BatchList(ctx context.Context, batch string) (*contract.BatchList, error) {
	body, err := s.Read(ctx, contract.BatchListKey(batch))
	if err != nil {
		return nil, err
	}
	var list contract.BatchList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.URI(contract.BatchListKey(batch)), err)
	}
	return &list, nil
}

// Mirror overwrites the batch record that Athena reads: one JSON object on one line.
func (s *Store) Mirror(ctx context.Context, b *ledger.Batch) error {
	unreadable := ""
	if len(b.Unreadable) > 0 {
		text, err := compact(b.Unreadable)
		if err != nil {
			return fmt.Errorf("render unreadable objects of batch %s: %w", b.ID, err)
		}
		unreadable = string(bytes.TrimSpace(text))
	}
	body, err := compact(ledger.MirrorOf(b, unreadable))
	if err != nil {
		return fmt.Errorf("render mirror of batch %s: %w", b.ID, err)
	}
	key := contract.MirrorKey(b.ID)
	_, err = s.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: bytes.NewReader(body),
		ContentType: aws.String("application/json")})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.URI(key), err)
	}
	return nil
}

// compact renders without HTML escapes, which would only disfigure object keys; it ends in a newline.
func compact(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}
