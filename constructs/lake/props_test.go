package lake_test

import (
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
)

func TestProps(t *testing.T) {
	type props = lake.Props
	given := func(field func(*props) *awskms.IKey) cdktest.Change[props] {
		return cdktest.Change[props]{Do: func(stack awscdk.Stack, p *props) { *field(p) = ownKey(stack) }}
	}
	models := func(_ awscdk.Stack, p *props) { p.Models = files("sales/totals.sql", totals) }
	tokens := func(_ awscdk.Stack, p *props) { p.Sources = tokenised("mail").Sources }
	cdktest.Effects(t,
		func(awscdk.Stack) props { return *minimal() },
		func(stack awscdk.Stack, p *props) { lake.New(stack, "Lake", p) },
		cdktest.Changes[props]{
			"Name": {}, "Sources": {},
			"Models": {Do: models},
			"Queries": {Do: func(_ awscdk.Stack, p *props) {
				p.Queries = files("open.sql", `SELECT * FROM {{ ref("sales.orders") }}`)
			}},
			"Validations": {Do: func(s awscdk.Stack, p *props) {
				from := &ingestion.Postgres{Secret: secret(s), Database: "erp", Vpc: network(s)}
				p.Validations = map[string]lake.Validation{"Erp": {From: from, Tables: map[string]string{"sales.orders": "orders"},
					ValidationSettings: processing.ValidationSettings{Deequ: deequ}}}
			}},
			"Pipeline.Lease":             {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.Lease = time.Minute }},
			"Pipeline.MaxAttempts":       {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.MaxAttempts = 5 }},
			"Pipeline.MaxBatchObjects":   {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.MaxBatchObjects = 10 }},
			"Pipeline.MaxBatchBytes":     {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.MaxBatchBytes = 1 << 30 }},
			"Pipeline.Workers":           {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.Workers = 5 }},
			"Pipeline.WorkerType":        {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.WorkerType = processing.R2X }},
			"Pipeline.MaxConcurrentRuns": {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.MaxConcurrentRuns = 3 }},
			"Pipeline.JobTimeout":        {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.JobTimeout = time.Hour }},
			"Pipeline.SweepEvery":        {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.SweepEvery = time.Minute }},
			"Pipeline.MaintainEvery":     {Do: func(_ awscdk.Stack, p *props) { p.Pipeline.MaintainEvery = 6 * time.Hour }},
			"ConfigureJob":               {Do: func(_ awscdk.Stack, p *props) { p.ConfigureJob = flex }},
			"ReconcileEvery":             {Do: func(_ awscdk.Stack, p *props) { p.ReconcileEvery = time.Hour }},
			"RawRetention":               {Do: func(_ awscdk.Stack, p *props) { p.RawRetention = 30 * 24 * time.Hour }},
			"NoncurrentRetention":        {Do: func(_ awscdk.Stack, p *props) { p.NoncurrentRetention = week }},
			"ScanLimit":                  {Do: func(_ awscdk.Stack, p *props) { p.ScanLimit = 10_000_000 }},
			"AlarmTopic": {
				Given: func(s awscdk.Stack, _ *props) { awssns.NewTopic(s, jsii.String("Own"), nil) },
				Do: func(s awscdk.Stack, p *props) {
					p.AlarmTopic = s.Node().FindChild(jsii.String("Own")).(awssns.ITopic)
				},
			},
			"AlarmEmails":        {Do: func(_ awscdk.Stack, p *props) { p.AlarmEmails = []string{"ops@example.org"} }},
			"Keys.Raw":           given(func(p *props) *awskms.IKey { return &p.Keys.Raw }),
			"Keys.Cleaned":       given(func(p *props) *awskms.IKey { return &p.Keys.Cleaned }),
			"Keys.Curated":       given(func(p *props) *awskms.IKey { return &p.Keys.Curated }),
			"Keys.Quarantine":    given(func(p *props) *awskms.IKey { return &p.Keys.Quarantine }),
			"Keys.Control":       given(func(p *props) *awskms.IKey { return &p.Keys.Control }),
			"Keys.Vault":         {Given: tokens, Do: func(s awscdk.Stack, p *props) { p.Keys.Vault = ownKey(s) }},
			"Keys.AllowDeletion": {Do: func(_ awscdk.Stack, p *props) { p.Keys.AllowDeletion = true }},
			"Keys.Configure": {Do: func(_ awscdk.Stack, p *props) {
				p.Keys.Configure = func(k *awskms.KeyProps) { k.PendingWindow = awscdk.Duration_Days(jsii.Number(9)) }
			}},
			"LogRetention":  {Do: func(_ awscdk.Stack, p *props) { p.LogRetention = week }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *props) { p.AllowDeletion = true }},
		})
}

// TestDeclaredValidation is about a validation of a database that no replication follows, and of one that follows it.
func TestDeclaredValidation(t *testing.T) {
	type props = lake.Validation
	from := func(s awscdk.Stack, database string) *ingestion.Postgres {
		return &ingestion.Postgres{Secret: secret(s), Database: database, Vpc: network(s)}
	}
	cdktest.Effects(t,
		func(stack awscdk.Stack) props {
			return props{From: from(stack, "erp"), Tables: map[string]string{"sales.orders": "orders"}, ValidationSettings: processing.ValidationSettings{Deequ: deequ}}
		},
		func(stack awscdk.Stack, v *props) {
			lake.New(stack, "Lake", with(func(p *lake.Props) { p.Validations = map[string]lake.Validation{"Erp": *v} }))
		},
		cdktest.Changes[props]{
			"From": {}, "Tables": {}, "Deequ.Jar": {}, "Deequ.Module": {},
			"Schema":         {Do: func(_ awscdk.Stack, v *props) { v.Schema = "shop" }},
			"Connections":    {Do: func(_ awscdk.Stack, v *props) { v.Connections = 8 }},
			"LookAgain":      {Do: func(_ awscdk.Stack, v *props) { v.LookAgain = 1 }},
			"LookAgainAfter": {Do: func(_ awscdk.Stack, v *props) { v.LookAgainAfter = time.Minute }},
			"Once":           {Do: func(_ awscdk.Stack, v *props) { v.Once = true }},
			"Mismatches":     {Do: func(_ awscdk.Stack, v *props) { v.Mismatches = 5 }},
			"HideValues":     {Do: func(_ awscdk.Stack, v *props) { v.HideValues = true }},
			"SecurityGroups": {Do: func(s awscdk.Stack, v *props) {
				v.SecurityGroups = []awsec2.ISecurityGroup{awsec2.SecurityGroup_FromSecurityGroupId(s, jsii.String("Own"), jsii.String("sg-0f"), nil)}
			}},
		})
}
