package storage_test

import (
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/storage"
)

func renamed(p *awss3.BucketProps) { p.BucketName = jsii.String("mine") }

func TestZoneProps(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) storage.ZoneProps {
			return storage.ZoneProps{AccessLogs: storage.NewAccessLogs(stack, "Logs", nil)}
		},
		func(stack awscdk.Stack, p *storage.ZoneProps) { storage.NewZone(stack, "Zone", p) },
		cdktest.Changes[storage.ZoneProps]{
			"Key":                 {Do: func(s awscdk.Stack, p *storage.ZoneProps) { p.Key = importedKey(s) }},
			"AccessLogs":          {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.AccessLogs = nil }},
			"LogPrefix":           {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.LogPrefix = "mine/" }},
			"Landing":             {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.Landing = true }},
			"Retention":           {Given: func(_ awscdk.Stack, p *storage.ZoneProps) { p.Landing = true }, Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.Retention = 90 * day }},
			"NoncurrentRetention": {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.NoncurrentRetention = 3 * day }},
			"ResultRetention":     {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.ResultRetention = 3 * day }},
			"AllowDeletion":       {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.AllowDeletion = true }},
			"Configure":           {Do: func(_ awscdk.Stack, p *storage.ZoneProps) { p.Configure = renamed }},
		})
}

func TestArtifactsProps(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) storage.ArtifactsProps {
			return storage.ArtifactsProps{AccessLogs: storage.NewAccessLogs(stack, "Logs", nil)}
		},
		func(stack awscdk.Stack, p *storage.ArtifactsProps) { storage.NewArtifacts(stack, "Artifacts", p) },
		cdktest.Changes[storage.ArtifactsProps]{
			"Key":             {Do: func(s awscdk.Stack, p *storage.ArtifactsProps) { p.Key = importedKey(s) }},
			"AccessLogs":      {Do: func(_ awscdk.Stack, p *storage.ArtifactsProps) { p.AccessLogs = nil }},
			"LogPrefix":       {Do: func(_ awscdk.Stack, p *storage.ArtifactsProps) { p.LogPrefix = "mine/" }},
			"ResultRetention": {Do: func(_ awscdk.Stack, p *storage.ArtifactsProps) { p.ResultRetention = 3 * day }},
			"AllowDeletion":   {Do: func(_ awscdk.Stack, p *storage.ArtifactsProps) { p.AllowDeletion = true }},
			"Configure":       {Do: func(_ awscdk.Stack, p *storage.ArtifactsProps) { p.Configure = renamed }},
		})
}

func TestAccessLogsProps(t *testing.T) {
	cdktest.Effects(t,
		func(awscdk.Stack) storage.AccessLogsProps { return storage.AccessLogsProps{} },
		func(stack awscdk.Stack, p *storage.AccessLogsProps) { storage.NewAccessLogs(stack, "Logs", p) },
		cdktest.Changes[storage.AccessLogsProps]{
			"Retention":     {Do: func(_ awscdk.Stack, p *storage.AccessLogsProps) { p.Retention = 7 * day }},
			"AllowDeletion": {Do: func(_ awscdk.Stack, p *storage.AccessLogsProps) { p.AllowDeletion = true }},
			"Configure":     {Do: func(_ awscdk.Stack, p *storage.AccessLogsProps) { p.Configure = renamed }},
		})
}

func TestZoneAttributes(t *testing.T) {
	cdktest.Effects(t,
		func(stack awscdk.Stack) storage.ZoneAttributes {
			return storage.ZoneAttributes{BucketName: "lake", KeyArn: keyArn(stack)}
		},
		func(stack awscdk.Stack, a *storage.ZoneAttributes) {
			storage.ZoneFromAttributes(stack, "Zone", *a).GrantRead(role(stack, "Reader"), "sales/")
		},
		cdktest.Changes[storage.ZoneAttributes]{"BucketName": {}, "KeyArn": {}})
}
