package lake_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/cdktest"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security/policytest"
)

// deequ are the files that make setup fetches.
var deequ = processing.Deequ{
	Jar: cdktest.Cached("jars", "deequ-2.1.0-spark-3.5.jar"), Module: cdktest.Cached("wheels", "pydeequ-1.7.0-py3-none-any.whl"),
}

// validated is a lake whose replication Erp is compared, with hashed and tokenised columns, and files beside it.
func validated(stack awscdk.Stack, change func(*lake.Props)) *lake.Props {
	source := erp(stack)
	source.Schema, source.Tables = "shop", map[string]string{"sales.orders": "Orders"}
	source.Datasets[0].Columns = append(source.Datasets[0].Columns,
		dataset.Column{Name: "mail", Type: dataset.String, Protect: dataset.HashUnder("mails")})
	other := spec("supply", "parts")
	other.Columns = append(other.Columns, dataset.Column{Name: "phone", Type: dataset.String, Protect: dataset.Tokenise("phones")},
		dataset.Column{Name: "name", Type: dataset.String, Protect: dataset.Hash})
	p := &lake.Props{Name: "shop", Sources: lake.Sources{"Erp": source, "Files": ingestion.FileDrop{Datasets: []dataset.Spec{other}}},
		Validations: map[string]lake.Validation{"Erp": {ValidationSettings: processing.ValidationSettings{Deequ: deequ}}}}
	if change != nil {
		change(p)
	}
	return p
}

func synthValidated(t *testing.T, change func(awscdk.Stack, *lake.Props)) (cdktest.Template, awscdk.Stack, *lake.Lake) {
	t.Helper()
	stack := cdktest.NewStack(t)
	l := lake.New(stack, "Lake", validated(stack, func(p *lake.Props) {
		if change != nil {
			change(stack, p)
		}
	}))
	return cdktest.Synth(t, stack), stack, l
}

// TestValidation holds that a replication is compared with what it follows, in the database's network, by a job that may
// read what it needs and no more.
func TestValidation(t *testing.T) {
	stack := cdktest.NewStack(t)
	l := lake.New(stack, "Lake", validated(stack, nil))
	l.GrantValidate(awsiam.NewRole(stack, jsii.String("Operator"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()}), "Erp")
	tpl := cdktest.Synth(t, stack)
	job := tpl.Named(t, "AWS::Glue::Job", "LakeValidationsErpJob").Properties()
	arguments := job["DefaultArguments"].(map[string]any)
	for name, want := range map[string]string{
		"--source":      `{"connections":4,"database":"erp","name":"Erp","schema":"shop","ssl":"require","tables":{"sales.items":"items","sales.orders":"Orders"}}`,
		"--hash_secret": "none", "--hash_keys": "mails=${LakeHashKeysmails}", "--token_keys": "none",
		"--look_again": "3", "--look_again_seconds": "120", "--mismatches": "1000", "--values": "true", "--user-jars-first": "true",
	} {
		if got := hash.ReplaceAllString(policytest.Flatten(arguments[name]), ""); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := arguments["--source_secret"]; got != "arn:aws:secretsmanager:eu-west-1:111122223333:secret:erp-AbCdEf" {
		t.Errorf("--source_secret is %s", got)
	}
	for name, want := range map[string]int{".jar": 1, ".zip": 2} {
		if got := strings.Count(cdktest.JSON(arguments["--extra"+map[string]string{".jar": "-jars", ".zip": "-py-files"}[name]]), name); got != want {
			t.Errorf("%d files %s, want %d", got, name, want)
		}
	}
	connection := tpl.Named(t, "AWS::Glue::Connection", "LakeValidationsErpConnection")
	if got := cdktest.JSON(job["Connections"]); !strings.Contains(got, connection.ID) {
		t.Errorf("the job has the connections %s", got)
	}
	input := cdktest.JSON(connection.Properties()["ConnectionInput"])
	for _, want := range []string{`"ConnectionType": "NETWORK"`, `"SubnetId": "subnet-0a"`, `"AvailabilityZone": "a"`, "LakeValidationsErpSecurityGroup"} {
		if !strings.Contains(input, want) {
			t.Errorf("the connection lacks %s: %s", want, input)
		}
	}
	group := cdktest.JSON(tpl.Named(t, "AWS::EC2::SecurityGroup", "LakeValidationsErpSecurityGroup").Properties())
	for _, want := range []string{`"FromPort": 5432`, `"CidrIp": "10.0.0.0/16"`, `"FromPort": 443`} {
		if !strings.Contains(group, want) {
			t.Errorf("the group lacks %s: %s", want, group)
		}
	}
	for _, kind := range []string{"AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"} {
		rule := cdktest.JSON(tpl.Named(t, kind, "LakeValidationsErpSecurityGroup").Properties())
		if !strings.Contains(rule, `"FromPort": 0`) || !strings.Contains(rule, `"ToPort": 65535`) {
			t.Errorf("workers do not reach each other: %s", rule)
		}
	}
	policy := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "LakeValidationsErpJobRole").Body)
	for _, want := range []string{"secret:erp-AbCdEf", "key/login", "/validations/mismatches/*", "shop_sales_cleaned", "ec2:CreateNetworkInterface", "LakeHashKeysmails"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the job lacks %s", want)
		}
	}
	for _, unwanted := range []string{"shop_supply_cleaned", "quarantine", "dynamodb", "LakeVaultsphones", "LakeHashSecret", "s3:DeleteObject"} {
		if strings.Contains(policy, unwanted) {
			t.Errorf("the job has %s", unwanted)
		}
	}
	operator := cdktest.JSON(tpl.Named(t, "AWS::IAM::Policy", "Operator").Body)
	if !strings.Contains(operator, "states:StartExecution") || strings.Contains(operator, "s3:") {
		t.Errorf("the operator may %s", operator)
	}
	var alarms []string
	for _, r := range tpl.Resources("AWS::CloudWatch::Alarm") {
		if strings.Contains(r.ID, "Validations") {
			alarms = append(alarms, fmt.Sprint(r.Properties()["MetricName"]))
		}
	}
	if slices.Sort(alarms); !slices.Equal(alarms, []string{"ExecutionsFailed", "ExecutionsTimedOut"}) {
		t.Errorf("alarms on %v", alarms)
	}
	if got := cdktest.JSON(tpl["Outputs"]); !strings.Contains(got, "ValidateErpCommand") {
		t.Errorf("no command among %s", got)
	}
	var wild []string
	for _, found := range policytest.Wildcards(tpl) {
		if strings.Contains(found, "ValidationsErpJob") {
			wild = append(wild, found[strings.LastIndexAny(found, ": ")+1:])
		}
	}
	slices.Sort(wild)
	if found := slices.Compact(wild); !slices.Equal(found, []string{"*", "network-interface/*"}) {
		t.Errorf("the job reaches %v", found)
	}
	if found := policytest.Nag(stack); len(found) > 0 {
		t.Errorf("unwanted: %s", strings.Join(found, "\n"))
	}
	if got := len(*l.Validation("Erp").SecurityGroup().SecurityGroupId()); got == 0 {
		t.Error("the group has no id")
	}
}

// TestValidationOfOtherDatasets holds that datasets without a replication are compared with the database that is declared
// for them, under the keys their columns need.
func TestValidationOfOtherDatasets(t *testing.T) {
	tpl, _, _ := synthValidated(t, func(_ awscdk.Stack, p *lake.Props) {
		from := p.Sources["Erp"].(ingestion.Replication).From
		from.Database, from.Port, from.SSL = "wms", 6432, ingestion.SSLNone
		p.Validations = map[string]lake.Validation{"Files": {
			ValidationSettings: processing.ValidationSettings{Deequ: deequ}, From: &from, Tables: map[string]string{"supply.parts": "part"},
		}}
	})
	arguments := tpl.Named(t, "AWS::Glue::Job", "LakeValidationsFilesJob").Properties()["DefaultArguments"].(map[string]any)
	for name, want := range map[string]string{
		"--source":    `{"connections":4,"database":"wms","name":"Files","schema":"public","ssl":"none","tables":{"supply.parts":"part"}}`,
		"--hash_keys": "none", "--hash_secret": "${LakeHashSecret}", "--token_keys": "phones=${LakeVaultsphonesSecret}",
	} {
		if got := hash.ReplaceAllString(policytest.Flatten(arguments[name]), ""); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	group := cdktest.JSON(tpl.Named(t, "AWS::EC2::SecurityGroup", "LakeValidationsFilesSecurityGroup").Properties())
	if !strings.Contains(group, `"FromPort": 6432`) {
		t.Errorf("the group is %s", group)
	}
}

// TestValidationsAreOptional holds that a lake without one has nothing of it.
func TestValidationsAreOptional(t *testing.T) {
	base, _, _ := synthValidated(t, nil)
	none, _, _ := synthValidated(t, func(_ awscdk.Stack, p *lake.Props) { p.Validations = nil })
	if got, without := len(base.Resources("")), len(none.Resources("")); got <= without {
		t.Errorf("%d resources with a validation, %d without", got, without)
	}
}

func TestValidationRejections(t *testing.T) {
	stack := cdktest.NewStack(t)
	keyless, spans := spec("supply", "keyless"), spec("supply", "spans")
	keyless.Keys = nil
	spans.Columns = append(spans.Columns, dataset.Column{Name: "at", Type: dataset.Timestamp, Required: true})
	spans.Window = dataset.Window{Column: "at", Length: 24 * time.Hour}
	err := cdktest.Rejected(t, func() {
		lake.New(stack, "Lake", validated(stack, func(p *lake.Props) {
			p.Sources["Files"] = ingestion.FileDrop{Datasets: []dataset.Spec{keyless, spans}}
			from := &ingestion.Postgres{Database: "a/b", SecurityGroups: []awsec2.ISecurityGroup{nil}}
			p.Validations = map[string]lake.Validation{
				"Erp": {From: from, Schema: "x", Tables: map[string]string{"a.b": "c"}, ValidationSettings: processing.ValidationSettings{
					Connections: 65, LookAgain: 21, LookAgainAfter: time.Millisecond, Mismatches: -1}},
				"Files": {From: from, Schema: "no schema", Tables: map[string]string{"supply.keyless": "k", "supply.spans": "s", "supply.none": `"n"`}},
				"other": {ValidationSettings: processing.ValidationSettings{Once: true, LookAgain: 2, LookAgainAfter: time.Minute,
					SecurityGroups: []awsec2.ISecurityGroup{nil}}},
				"Slow": {ValidationSettings: processing.ValidationSettings{LookAgain: 20, LookAgainAfter: time.Hour}},
			}
		}))
	})
	for _, want := range []string{
		`Validations["Erp"].From: is known from the replication of the same id`, `Validations["Erp"].Schema: is known`,
		`Validations["Erp"].Tables: is known`, `Validations["Erp"].Connections: is out of range; got 65; allowed: 1 to 64, or 0 for the default`,
		`Validations["Erp"].LookAgain: is out of range`, `Validations["Erp"].LookAgainAfter: is out of range`, `Validations["Erp"].Mismatches: is out of range`,
		`Validations["Files"].From.Secret: is missing`, `Validations["Files"].From.Database: is no database name`, `Validations["Files"].From.Vpc: is missing`,
		`Validations["Files"].From.SecurityGroups: are those of a replication`, `Validations["Files"].Schema: is no name`,
		`Validations["Files"].Tables["supply.keyless"]: has no Keys`, `Validations["Files"].Tables["supply.spans"]: has a Window`,
		`Validations["Files"].Tables["supply.none"]: is no dataset of the lake; got "supply.none"; allowed: sales.items, sales.orders, supply.keyless, supply.spans`,
		`Validations["Files"].Tables["supply.none"]: is no name of a table`,
		`Validations["other"].From: is missing: no replication has this id`, `Validations["other"].Tables: is empty`,
		`Validations["other"].LookAgain: has no effect with Once`, `Validations["other"].LookAgainAfter: has no effect with Once`,
		`Validations["other"].SecurityGroups[0]: is nil`, `Validations["other"]: `,
		`Validations["Slow"].Deequ.Jar: is missing; allowed: the path of deequ-2.1.0-spark-3.5.jar (Maven Central`,
		`Validations["Slow"].Deequ.Module: is missing; allowed: the path of pydeequ-1.7.0-py3-none-any.whl (pip download`,
		`Validations["Slow"].LookAgainAfter: is too long: 20 looks wait for 20h0m0s, and a job ends after JobTimeout, 2h0m0s`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in:\n%v", want, err)
		}
	}
	err = cdktest.Rejected(t, func() { lake.New(cdktest.NewStack(t), "Lake", minimal()).Validation("Erp") })
	if !strings.Contains(err.Error(), `is no validation of the lake; got "Erp"; allowed: none: declare it in Validations`) {
		t.Errorf("got %v", err)
	}
	err = cdktest.Rejected(t, func() { processing.NewValidation(cdktest.NewStack(t), "Erp", nil) })
	for _, want := range []string{"Pipeline", "Source.Secret", "Source.Vpc", "Source.Database", "Source.Schema", "Source.Tables", "Deequ.Jar", "Deequ.Module"} {
		if !strings.Contains(err.Error(), want+": is missing") {
			t.Errorf("want %q in:\n%v", want, err)
		}
	}
}

// TestValidationStandsAlone holds that a validation needs a pipeline and no lake, and that it judges the datasets.
func TestValidationStandsAlone(t *testing.T) {
	stack := cdktest.NewStack(t)
	keyless, spans := spec("sales", "keyless"), spec("sales", "spans")
	keyless.Keys = nil
	spans.Columns = append(spans.Columns, dataset.Column{Name: "at", Type: dataset.Timestamp, Required: true})
	spans.Window = dataset.Window{Column: "at", Length: 24 * time.Hour}
	manifest, err := dataset.NewManifest("shop", []dataset.Spec{spec("sales", "orders"), keyless, spans}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	zone := importedRaw(stack)
	database := func(id, name string) []catalog.DatabaseRef {
		return []catalog.DatabaseRef{catalog.NewDatabase(stack, id, &catalog.DatabaseProps{Name: name, Zone: zone, Prefix: id + "/"})}
	}
	pipeline := processing.NewPipeline(stack, "Pipeline", &processing.PipelineProps{
		Manifest: catalog.NewManifest(stack, "Manifest", manifest), Raw: zone, Artifacts: zone,
		Cleaned: database("Cleaned", "shop_sales_cleaned"), Quarantine: database("Quarantine", "shop_sales_quarantine"),
		Ledger: catalog.LedgerFromAttributes(stack, "Ledger", catalog.LedgerAttributes{TableName: "ledger", KeyArn: "arn:aws:kms:eu-west-1:111122223333:key/ledger"}),
		Alarms: operations.NewAlarms(stack, "Alarms", &operations.AlarmsProps{Lake: "shop"}),
	})
	props := func(tables map[string]string) *processing.ValidationProps {
		from := ingestion.Postgres{Secret: secretAt(stack, fmt.Sprint("Login", len(tables))), Database: "erp", Vpc: network(stack)}
		settings := processing.ValidationSettings{Deequ: deequ}
		return &processing.ValidationProps{ValidationSettings: settings, Pipeline: pipeline, Source: from.Holding("", tables)}
	}
	rejected := cdktest.Rejected(t, func() {
		processing.NewValidation(stack, "Bad", props(map[string]string{"sales.keyless": "k", "sales.spans": "s", "sales.none": "n"}))
	})
	for _, want := range []string{`Source.Tables["sales.keyless"]: has no Keys`, `Source.Tables["sales.spans"]: has a Window`,
		`Source.Tables["sales.none"]: is no dataset of the pipeline; got "sales.none"; allowed: sales.keyless, sales.orders, sales.spans`} {
		if !strings.Contains(rejected.Error(), want) {
			t.Errorf("want %q in:\n%v", want, rejected)
		}
	}
	stack.Node().TryRemoveChild(jsii.String("Network"))
	processing.NewValidation(stack, "Good", props(map[string]string{"sales.orders": "orders"}))
	cdktest.Synth(t, stack).Named(t, "AWS::Glue::Job", "GoodJob")
}

func secretAt(stack awscdk.Stack, id string) awssecretsmanager.ISecret {
	return awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String(id), jsii.String("erp/reader"))
}
