package processing

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
)

//go:embed erasure.asl.json
var erasureASL []byte

// forgets says whether the rows of some dataset are about somebody who may ask to be erased.
func (p *PipelineProps) forgets() bool { return len(p.Manifest.Manifest().Subjects()) > 0 }

// newErase makes the job that erases data subjects.
func (p *Pipeline) newErase(library awss3assets.Asset, hashes map[string]string) {
	c := &p.props
	arguments := map[string]string{
		argRawBucket: c.Raw.BucketName(), argCleanedBucket: c.Cleaned[0].Zone().BucketName(),
		argQuarantineBucket: c.Quarantine[0].Zone().BucketName(), argCuratedBucket: "none",
		argVaultBucket: "none", argErasureSecret: c.ErasureSecret.Arn(), argWakeQueueURL: *p.wake.Main.QueueUrl(),
		argWindowSeconds: seconds(p.Window()), argMaintainSeconds: seconds(c.MaintainEvery),
	}
	maps.Copy(arguments, hashes)
	zones := []storage.ZoneRef{c.Raw, c.Cleaned[0].Zone(), c.Quarantine[0].Zone(), c.Artifacts}
	if c.publishes() {
		arguments[argCuratedBucket] = c.Curated[0].Zone().BucketName()
		zones = append(zones, c.Curated[0].Zone())
	}
	var vaults []catalog.DatabaseRef
	tokens := map[string]*security.HashSecret{}
	searched := c.Manifest.Manifest().SubjectVaults()
	for _, name := range slices.Sorted(maps.Keys(searched)) {
		vaults = append(vaults, c.Vaults[name].Database)
		if searched[name] {
			tokens[name] = c.Vaults[name].Secret
		}
	}
	arguments[argTokenKeys] = listed(tokens)
	if len(vaults) > 0 {
		arguments[argVaultBucket] = vaults[0].Zone().BucketName()
		zones = append(zones, vaults[0].Zone())
	}
	p.erase = p.newJob("Erase", "erase", library, arguments)
	role := p.erase.Role()
	for _, zone := range zones {
		zone.GrantReadLifecycle(role)
	}
	c.Raw.GrantReadVersions(role)
	c.Artifacts.GrantRead(role, storage.ErasureResults, storage.Manifests)
	// What is searched in copies is copied to a folder of the erasure's own, beside those of batches.
	c.Artifacts.GrantPut(role, storage.Batches, storage.ErasureObjects, storage.ErasureResults, storage.QualityProfiles)
	c.Artifacts.GrantRemove(role, storage.Batches, storage.ErasureRequests, storage.QualityProfiles)
	c.Ledger.Grant(role, catalog.Erase)
	catalog.GrantReadWrite(role, slices.Concat(c.Cleaned, c.Quarantine, vaults)...)
	p.grantFind(p.erase)
	p.GrantWake(role)
	c.ErasureSecret.GrantRead(role)
	for _, name := range slices.Sorted(maps.Keys(c.HashSecrets)) {
		c.HashSecrets[name].GrantRead(role)
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		tokens[name].GrantRead(role)
	}
}

// newErasureMachine makes the state machine that runs the job on a request, then has the models built anew, and the alarm
// on its failures.
func (p *Pipeline) newErasureMachine() {
	c := &p.props
	text, err := erasure(c.publishes(), c.JobTimeout+queueing)
	check.Must(*p.Node().Path(), err)
	machine := p.newStateMachine("Erasure", text, map[string]any{
		"InvokeFunction":   p.integration("lambda:invoke"),
		"DispatchFunction": p.dispatch.FunctionArn(),
		"EraseJob":         jsii.String(p.erase.Name()),
		"StartJobRun":      p.integration("glue:startJobRun.sync"),
	}, "Runs erasures")
	invoke(p.dispatch, machine.role)
	p.erase.GrantStart(machine.role)
	p.erasure = machine
	machine.watchEnds(p, c.Alarms, "ErasureFailures", "ErasureTimedOut", "Somebody was not erased, or not from everywhere: the execution's cause says why. Start it anew with the same request.")
}

// erasure renders the state machine; without models nothing is built anew.
func erasure(publish bool, timeout time.Duration) (string, error) {
	var machine map[string]any
	if err := json.Unmarshal(erasureASL, &machine); err != nil {
		return "", fmt.Errorf("erasure.asl.json: %w", err)
	}
	machine["TimeoutSeconds"] = int(timeout / time.Second)
	if !publish {
		states := machine["States"].(map[string]any)
		delete(states, "Publish")
		erase := states["Erase"].(map[string]any)
		delete(erase, "Next")
		erase["End"] = true
	}
	text, err := json.Marshal(machine)
	return string(text), err
}

// hashArguments are the secrets of hashed columns as the jobs take them, by name; the lake's own has the empty one.
func hashArguments(secrets map[string]*security.HashSecret) map[string]string {
	named := maps.Clone(secrets)
	delete(named, "")
	found := map[string]string{argHashSecret: "none", argHashKeys: listed(named)}
	if own := secrets[""]; own != nil {
		found[argHashSecret] = own.Arn()
	}
	return found
}

// listed are secrets by name as the jobs take them.
func listed(secrets map[string]*security.HashSecret) string {
	if len(secrets) == 0 {
		return "none"
	}
	var named []string
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		named = append(named, name+"="+secrets[name].Arn())
	}
	return strings.Join(named, ",")
}

// ErasureArn is the ARN of the state machine that erases data subjects, empty if no dataset declares whom its rows are
// about. An execution takes {"request": "<key below storage.ErasureRequests in the artifacts bucket>"} as its input.
func (p *Pipeline) ErasureArn() string {
	if p.erasure == nil {
		return ""
	}
	return p.erasure.arn
}

// GrantErase lets grantee put requests to erase somebody, start erasures and see what becomes of them. Without a dataset
// that declares whom its rows are about it panics.
func (p *Pipeline) GrantErase(grantee awsiam.IGrantable) awsiam.Grant {
	var problems check.List
	if p.erasure == nil {
		problems.Add("Subject", "no dataset says whom its rows are about, so nobody can be erased", nil, "a dataset.Spec with a Subject")
	}
	check.Must(fmt.Sprintf("%s GrantErase", *p.Node().Path()), problems.Err())
	return p.erasure.grantStart(grantee).Combine(p.props.Artifacts.GrantPut(grantee, storage.ErasureRequests))
}
