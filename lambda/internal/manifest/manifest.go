// Package manifest loads the current manifest once per process and refuses one that is not what was deployed.
package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/artifacts"
	"github.com/strata-cdk/strata/lambda/internal/env"
)

// Loader reads the manifest from S3 and keeps it.
type Loader struct {
	Client            artifacts.Getter
	Bucket, Key, Hash string
	Lake              string

	mu     sync.Mutex
	loaded *Loaded
}

// Loaded is a manifest with the bytes it came from.
type Loaded struct {
	*dataset.Manifest
	Hash  string
	Bytes []byte
}

// NewLoader takes bucket, key, hash and lake from the environment.
func NewLoader(client artifacts.Getter, v env.Vars) *Loader {
	return &Loader{Client: client, Bucket: v[contract.ManifestBucket], Key: v[contract.ManifestKey],
		Hash: v[contract.ManifestHash], Lake: v[contract.Lake]}
}

// Load returns the manifest. A failure is not kept: the next call tries again.
func (l *Loader) Load(ctx context.Context) (*Loaded, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded != nil {
		return l.loaded, nil
	}
	body, err := artifacts.Read(ctx, l.Client, l.Bucket, l.Key)
	if err != nil {
		return nil, fmt.Errorf("load the manifest: %w", err)
	}
	at := "s3://" + l.Bucket + "/" + l.Key
	sum := sha256.Sum256(body)
	if got := hex.EncodeToString(sum[:]); got != l.Hash {
		return nil, fmt.Errorf("manifest %s has SHA-256 %s, deployed was %s: deploy the stack again", at, got, l.Hash)
	}
	m, err := dataset.ParseManifest(body)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", at, err)
	}
	if m.Lake != l.Lake {
		return nil, fmt.Errorf("manifest %s is of lake %q, this is lake %q: deploy the stack again", at, m.Lake, l.Lake)
	}
	l.loaded = &Loaded{Manifest: m, Hash: l.Hash, Bytes: body}
	return l.loaded, nil
}

// Has tells whether the manifest declares the dataset.
func (l *Loaded) Has(id string) bool {
	_, ok := l.Dataset(id)
	return ok
}

// IDs are the ids of the declared datasets, sorted.
func (l *Loaded) IDs() []string {
	ids := make([]string, len(l.Datasets))
	for i, d := range l.Datasets {
		ids[i] = d.ID
	}
	return ids
}
