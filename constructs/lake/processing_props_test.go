package lake_test

import (
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security"
)

func flex(_ string, job *awsglue.CfnJobProps) { job.ExecutionClass = jsii.String("FLEX") }

func TestSparkJobProps(t *testing.T) {
	type props = processing.SparkJobProps
	cdktest.Effects(t,
		func(stack awscdk.Stack) props { return props{Script: script(stack)} },
		func(stack awscdk.Stack, p *props) { processing.NewSparkJob(stack, "Job", p) },
		cdktest.Changes[props]{
			"Script":            {},
			"Libraries":         {Do: func(_ awscdk.Stack, p *props) { p.Libraries = []awss3assets.Asset{p.Script} }},
			"Jars":              {Do: func(_ awscdk.Stack, p *props) { p.Jars = []awss3assets.Asset{p.Script} }},
			"Connections":       {Do: func(_ awscdk.Stack, p *props) { p.Connections = []string{"erp"} }},
			"Arguments":         {Do: func(_ awscdk.Stack, p *props) { p.Arguments = map[string]string{"run_uri": "x"} }},
			"TableFormats":      {Do: func(_ awscdk.Stack, p *props) { p.TableFormats = []dataset.TableFormat{dataset.Delta} }},
			"Key":               {Do: func(s awscdk.Stack, p *props) { p.Key = ownKey(s) }},
			"Workers":           {Do: func(_ awscdk.Stack, p *props) { p.Workers = 9 }},
			"WorkerType":        {Do: func(_ awscdk.Stack, p *props) { p.WorkerType = processing.G4X }},
			"MaxConcurrentRuns": {Do: func(_ awscdk.Stack, p *props) { p.MaxConcurrentRuns = 9 }},
			"Timeout":           {Do: func(_ awscdk.Stack, p *props) { p.Timeout = time.Hour }},
			"LogRetention":      {Do: func(_ awscdk.Stack, p *props) { p.LogRetention = week }},
			"AllowDeletion":     {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
			"Configure": {Do: func(_ awscdk.Stack, p *props) {
				p.Configure = func(j *awsglue.CfnJobProps) { j.DefaultArguments = map[string]any{"--enable-metrics": "true"} }
			}},
		})
}

// ofOthers are the props of a pipeline over what others have made, for a dataset that needs all that a pipeline may need.
func ofOthers(t *testing.T, stack awscdk.Stack) processing.PipelineProps {
	t.Helper()
	orders := spec("sales", "orders")
	orders.Columns = append(orders.Columns, dataset.Column{Name: "buyer", Type: dataset.String, Protect: dataset.Hash},
		dataset.Column{Name: "phone", Type: dataset.String, Protect: dataset.Tokenise("phones")})
	orders.Subject = dataset.Subject{Name: "buyer", Column: "buyer"}
	drop := ingestion.FileDrop{Datasets: []dataset.Spec{orders}}
	manifest, err := dataset.NewManifest("shop", drop.Specs(), drop.Landings("Files"), []dataset.Model{{
		ID: "sales.totals", Domain: "sales", Name: "totals", Database: "shop_sales_curated", SQL: totals, Inputs: []string{"sales.orders"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	zone := importedRaw(stack)
	database := func(kind string) catalog.DatabaseRef {
		return catalog.DatabaseFromAttributes(stack, kind, catalog.DatabaseAttributes{Name: "shop_sales_" + kind, Zone: zone, Prefix: "sales/"})
	}
	secret := func(id string) *security.HashSecret { return security.NewHashSecret(stack, id, nil) }
	return processing.PipelineProps{
		Manifest: catalog.NewManifest(stack, "Manifest", manifest), Raw: zone, Artifacts: zone, Ledger: othersLedger(stack), Alarms: someAlarms(stack),
		Cleaned:    []catalog.DatabaseRef{database("cleaned")},
		Quarantine: []catalog.DatabaseRef{database("quarantine")}, Curated: []catalog.DatabaseRef{database("curated")},
		HashSecrets: map[string]*security.HashSecret{"": secret("Hashes")}, ErasureSecret: secret("Erased"),
		Vaults: map[string]processing.Vault{"phones": {Database: database("vault"), Secret: secret("Phones")}},
	}
}

func someoneElses(stack awscdk.Stack) awssecretsmanager.ISecret {
	return awssecretsmanager.Secret_FromSecretCompleteArn(stack, jsii.String("Other"), jsii.String("arn:aws:secretsmanager:eu-west-1:111122223333:secret:crm-AbCdEf"))
}

func otherNetwork(stack awscdk.Stack) awsec2.IVpc {
	return awsec2.Vpc_FromVpcAttributes(stack, jsii.String("OtherNetwork"), &awsec2.VpcAttributes{
		VpcId: jsii.String("vpc-0fedcba9876543210"), VpcCidrBlock: jsii.String("10.1.0.0/16"), AvailabilityZones: jsii.Strings("a", "b"),
		PrivateSubnetIds: jsii.Strings("subnet-1a", "subnet-1b"),
	})
}

func TestPipelineProps(t *testing.T) {
	type props = processing.PipelineProps
	cdktest.Effects(t,
		func(stack awscdk.Stack) props { return ofOthers(t, stack) },
		func(stack awscdk.Stack, p *props) { processing.NewPipeline(stack, "Pipeline", p) },
		cdktest.Changes[props]{
			"Manifest": {}, "Raw": {}, "Artifacts": {}, "Cleaned": {}, "Quarantine": {}, "Curated": {}, "Ledger": {}, "Alarms": {},
			"HashSecrets": {}, "Vaults": {}, "ErasureSecret": {},
			"Lease":             {Do: func(_ awscdk.Stack, p *props) { p.Lease = time.Minute }},
			"MaxAttempts":       {Do: func(_ awscdk.Stack, p *props) { p.MaxAttempts = 5 }},
			"MaxBatchObjects":   {Do: func(_ awscdk.Stack, p *props) { p.MaxBatchObjects = 10 }},
			"MaxBatchBytes":     {Do: func(_ awscdk.Stack, p *props) { p.MaxBatchBytes = 1 << 30 }},
			"Workers":           {Do: func(_ awscdk.Stack, p *props) { p.Workers = 5 }},
			"WorkerType":        {Do: func(_ awscdk.Stack, p *props) { p.WorkerType = processing.R2X }},
			"MaxConcurrentRuns": {Do: func(_ awscdk.Stack, p *props) { p.MaxConcurrentRuns = 3 }},
			"JobTimeout":        {Do: func(_ awscdk.Stack, p *props) { p.JobTimeout = time.Hour }},
			"SweepEvery":        {Do: func(_ awscdk.Stack, p *props) { p.SweepEvery = time.Minute }},
			"MaintainEvery":     {Do: func(_ awscdk.Stack, p *props) { p.MaintainEvery = 6 * time.Hour }},
			"Key":               {Do: func(s awscdk.Stack, p *props) { p.Key = ownKey(s) }},
			"LogRetention":      {Do: func(_ awscdk.Stack, p *props) { p.LogRetention = week }},
			"AllowDeletion":     {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
			"ConfigureJob":      {Do: func(_ awscdk.Stack, p *props) { p.ConfigureJob = flex }},
		})
}

func TestValidationProps(t *testing.T) {
	type props = processing.ValidationProps
	own := func(s awscdk.Stack) []awsec2.ISecurityGroup {
		return []awsec2.ISecurityGroup{awsec2.SecurityGroup_FromSecurityGroupId(s, jsii.String("Own"), jsii.String("sg-0123456789abcdef0"), nil)}
	}
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			p := ofOthers(t, stack)
			from := ingestion.Postgres{Secret: secret(stack), Database: "erp", Vpc: network(stack)}
			return props{Pipeline: processing.NewPipeline(stack, "Pipeline", &p), Source: from.Holding("", map[string]string{"sales.orders": "orders"}),
				ValidationSettings: processing.ValidationSettings{Deequ: deequ}}
		},
		func(stack awscdk.Stack, p *props) { processing.NewValidation(stack, "Validation", p) },
		cdktest.Changes[props]{
			"Pipeline": {}, "Deequ.Jar": {}, "Deequ.Module": {},
			"Source.Secret": {Do: func(s awscdk.Stack, p *props) { p.Source.Secret = someoneElses(s) }},
			"Source.SecretResource": {Do: func(_ awscdk.Stack, p *props) {
				p.Source.SecretResource = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:other"
			}},
			"Source.Database": {Do: func(_ awscdk.Stack, p *props) { p.Source.Database = "crm" }},
			"Source.Port":     {Do: func(_ awscdk.Stack, p *props) { p.Source.Port = 6432 }},
			"Source.SSL":      {Do: func(_ awscdk.Stack, p *props) { p.Source.SSL = "none" }},
			"Source.Vpc":      {Do: func(s awscdk.Stack, p *props) { p.Source.Vpc = otherNetwork(s) }},
			"Source.Subnets": {Do: func(_ awscdk.Stack, p *props) {
				p.Source.Subnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PUBLIC}
			}},
			"Source.Schema":  {Do: func(_ awscdk.Stack, p *props) { p.Source.Schema = "shop" }},
			"Source.Tables":  {Do: func(_ awscdk.Stack, p *props) { p.Source.Tables = map[string]string{"sales.orders": "Orders"} }},
			"Connections":    {Do: func(_ awscdk.Stack, p *props) { p.Connections = 8 }},
			"LookAgain":      {Do: func(_ awscdk.Stack, p *props) { p.LookAgain = 1 }},
			"LookAgainAfter": {Do: func(_ awscdk.Stack, p *props) { p.LookAgainAfter = time.Minute }},
			"Once":           {Do: func(_ awscdk.Stack, p *props) { p.Once = true }},
			"Mismatches":     {Do: func(_ awscdk.Stack, p *props) { p.Mismatches = 5 }},
			"HideValues":     {Do: func(_ awscdk.Stack, p *props) { p.HideValues = true }},
			"SecurityGroups": {Do: func(s awscdk.Stack, p *props) { p.SecurityGroups = own(s) }},
		})
}
