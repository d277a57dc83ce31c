package processing

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/asset"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

// The arguments of the jobs, as the frozen dataclasses of the scripts name them. run_uri, manifest_uri,
// erasure, validation and request come with each run.
const (
	argLake             = "lake"
	argLedgerTable      = "ledger_table"
	argArtifactsBucket  = "artifacts_bucket"
	argCleanedBucket    = "cleaned_bucket"
	argQuarantineBucket = "quarantine_bucket"
	argCuratedBucket    = "curated_bucket"
	argRawBucket        = "raw_bucket"
	argErasureSecret    = "erasure_secret"
	argMaintainSeconds  = "maintain_seconds"
	argHashSecret       = "hash_secret"
	argHashKeys         = "hash_keys"
	argVaultBucket      = "vault_bucket"
	argTokenKeys        = "token_keys"
	argLeaseSeconds     = "lease_seconds"
	argWakeQueueURL     = "wake_queue_url"
	argWindowSeconds    = "window_seconds"
	argSource           = "source"
	argSourceSecret     = "source_secret"
	argLookAgain        = "look_again"
	argLookAgainSeconds = "look_again_seconds"
	argMismatches       = "mismatches"
	argValues           = "values"
)

func (p *Pipeline) newJobs() {
	c := &p.props
	library := asset.JobLibrary(p, "JobLibrary")
	p.library = library
	hashes := hashArguments(c.HashSecrets)
	refine := map[string]string{
		argCleanedBucket:    c.Cleaned[0].Zone().BucketName(),
		argQuarantineBucket: c.Quarantine[0].Zone().BucketName(),
		argVaultBucket:      "none",
		argErasureSecret:    "none",
	}
	maps.Copy(refine, hashes)
	if c.forgets() {
		refine[argErasureSecret] = c.ErasureSecret.Arn()
	}
	tokens := map[string]*security.HashSecret{}
	for _, name := range slices.Sorted(maps.Keys(c.Vaults)) {
		refine[argVaultBucket] = c.Vaults[name].Database.Zone().BucketName()
		tokens[name] = c.Vaults[name].Secret
	}
	refine[argTokenKeys] = listed(tokens)
	p.refine = p.newJob("Refine", "refine", library, refine)
	p.grantRun(p.refine)
	// Listed versions that are no longer current are copied to the batch's folder.
	c.Raw.GrantReadVersions(p.refine.Role())
	c.Artifacts.GrantPut(p.refine.Role(), storage.Batches, storage.Corrections, storage.Quality)
	c.Artifacts.GrantRead(p.refine.Role(), storage.Corrections)
	c.Ledger.Grant(p.refine.Role(), catalog.History)
	catalog.GrantReadWrite(p.refine.Role(), slices.Concat(c.Cleaned, c.Quarantine, c.vaults())...)
	p.grantFind(p.refine)
	for _, name := range slices.Sorted(maps.Keys(c.HashSecrets)) {
		c.HashSecrets[name].GrantRead(p.refine.Role())
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vaults)) {
		c.Vaults[name].Secret.GrantRead(p.refine.Role())
	}
	if c.forgets() {
		c.ErasureSecret.GrantRead(p.refine.Role())
		c.Ledger.Grant(p.refine.Role(), catalog.Forgotten)
		p.newErase(library, hashes)
	}
	p.newMaintain(library)
	if !c.publishes() {
		return
	}
	p.publish = p.newJob("Publish", "publish", library, map[string]string{
		argCuratedBucket: c.Curated[0].Zone().BucketName(),
	})
	p.grantRun(p.publish)
	catalog.GrantRead(p.publish.Role(), c.Cleaned...)
	p.grantFind(p.publish)
	catalog.GrantReadWrite(p.publish.Role(), c.Curated...)
}

// grantFind lets a job ask for files of the cleaned tables that may not be there, as the library of Delta Lake does; that
// of Iceberg never asks.
func (p *Pipeline) grantFind(job *SparkJob) {
	if slices.Contains(p.props.Manifest.TableFormats(), dataset.Delta) {
		p.props.Cleaned[0].Zone().GrantFind(job.Role())
	}
}

// grantRun lets a job read the lists of runs and keep the ledger of their batches.
func (p *Pipeline) grantRun(job *SparkJob) {
	p.props.Artifacts.GrantRead(job.Role(), storage.Batches, storage.Manifests, storage.Runs)
	p.props.Ledger.Grant(job.Role(), catalog.Job)
}

// newJob makes a job with the arguments that say where the lake is.
func (p *Pipeline) newJob(id, script string, library awss3assets.Asset, further map[string]string) *SparkJob {
	c := &p.props
	arguments := map[string]string{
		argLake: c.Manifest.Manifest().Lake, argLedgerTable: c.Ledger.TableName(),
		argArtifactsBucket: c.Artifacts.BucketName(), argLeaseSeconds: seconds(c.Lease),
	}
	maps.Copy(arguments, further)
	return NewSparkJob(p, id, &SparkJobProps{
		Script: asset.JobScript(p, id+"Script", script), Libraries: []awss3assets.Asset{library}, Arguments: arguments,
		TableFormats: c.Manifest.TableFormats(),
		Key:          c.Key, Workers: c.Workers, WorkerType: c.WorkerType, MaxConcurrentRuns: c.MaxConcurrentRuns, Timeout: c.JobTimeout,
		LogRetention: c.LogRetention, AllowDeletion: c.AllowDeletion,
		Configure: func(props *awsglue.CfnJobProps) {
			if c.ConfigureJob != nil {
				c.ConfigureJob(script, props)
			}
		},
	})
}
