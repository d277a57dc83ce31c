package catalog

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/asset/gobuild"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/lambda/contract"
)

// Manifest is the lake's declaration as the Lambdas read it: an asset that CDK uploads before the stack changes. It
// costs one small object in the bootstrap bucket per version.
type Manifest struct {
	constructs.Construct
	manifest *dataset.Manifest
	asset    awss3assets.Asset
	hash     string
}

// NewManifest writes the manifest and makes its asset.
func NewManifest(scope constructs.Construct, id string, manifest *dataset.Manifest) *Manifest {
	var l check.List
	if manifest == nil {
		l.Add("manifest", "is nil", nil, "the result of dataset.NewManifest")
	}
	check.Must(*scope.Node().Path()+"/"+id, l.Err())
	content := manifest.Bytes()
	m := &Manifest{manifest: manifest, hash: fmt.Sprintf("%x", sha256.Sum256(content))}
	constructs.NewConstruct_Override(m, scope, jsii.String(id))
	file, err := writeManifest(m.hash, content)
	check.Must(*m.Node().Path(), err)
	m.asset = awss3assets.NewAsset(m, jsii.String("Asset"), &awss3assets.AssetProps{Path: jsii.String(file)})
	return m
}

func writeManifest(hash string, content []byte) (string, error) {
	dir, err := gobuild.CacheDir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "manifest-"+hash+".json")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	return file, gobuild.WriteFile(file, content)
}

// Manifest is what the asset holds.
func (m *Manifest) Manifest() *dataset.Manifest { return m.manifest }

// Hash is the SHA-256 of the manifest's bytes, which names it.
func (m *Manifest) Hash() string { return m.hash }

// HashKeys lists the names of the keys that columns are hashed under, sorted; the lake's own is the empty name.
func (m *Manifest) HashKeys() []string {
	found := map[string]bool{}
	for _, d := range m.manifest.Datasets {
		for _, c := range d.Columns {
			if name, hashed := c.Protect.HashKey(); hashed {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Vaults lists those that columns are tokenised for, sorted by name.
func (m *Manifest) Vaults() []dataset.Vault { return m.manifest.Vaults }

// TableFormats lists the formats of the cleaned tables besides Iceberg, each once.
func (m *Manifest) TableFormats() []dataset.TableFormat {
	var found []dataset.TableFormat
	for _, d := range m.manifest.Datasets {
		if d.TableFormat != dataset.Iceberg && !slices.Contains(found, d.TableFormat) {
			found = append(found, d.TableFormat)
		}
	}
	slices.Sort(found)
	return found
}

// Environment holds the variables by which a Lambda finds the manifest.
func (m *Manifest) Environment() map[string]string {
	return map[string]string{
		contract.ManifestBucket: *m.asset.S3BucketName(),
		contract.ManifestKey:    *m.asset.S3ObjectKey(),
		contract.ManifestHash:   m.hash,
	}
}

// GrantRead lets grantee read this version of the manifest, and nothing else of the bootstrap bucket.
func (m *Manifest) GrantRead(grantee awsiam.IGrantable) awsiam.Grant {
	return awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: jsii.Strings("s3:GetObject"),
		ResourceArns: &[]*string{m.asset.Bucket().ArnForObjects(m.asset.S3ObjectKey())},
	})
}
