package proof_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/lake"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/test/proof"
)

const root = "../.."

// settings is the context of cdk.json without the bundling of assets, which no gate reads.
func settings(tb testing.TB) map[string]any {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "cdk.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(raw, &file); err != nil {
		tb.Fatal(err)
	}
	if file.Context["@aws-cdk/core:validateAgainstDefaultRules"] != true {
		tb.Fatal("cdk.json does not ask for strict validation")
	}
	file.Context["aws:cdk:bundling-stacks"] = []string{}
	return file.Context
}

// synthesised are the cloud assemblies the gates judge, by name: each example as its own program, and a lake that uses
// what the examples leave out. All are synthesised under strict validation.
var synthesised = sync.OnceValues(func() (map[string]string, error) {
	programs, err := filepath.Glob(filepath.Join(root, "examples", "*", "main.go"))
	if err != nil || len(programs) == 0 {
		return nil, fmt.Errorf("no examples found: %v", err)
	}
	dirs := map[string]string{}
	for _, program := range programs {
		name := filepath.Base(filepath.Dir(program))
		if dirs[name], err = example(name); err != nil {
			return nil, err
		}
	}
	dirs["everything"], err = everything()
	return dirs, err
})

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "strata-proof-"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(scratch)
	os.Exit(status)
}

func example(name string) (string, error) {
	out := filepath.Join(scratch, name)
	context, err := json.Marshal(settings(discard{}))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "run", "./examples/"+name)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(context))
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("examples/%s does not synthesise under strict validation: %w\n%s", name, err, text)
	}
	return out, nil
}

// discard stands for a test where there is none yet: a failure there stops the whole package.
type discard struct{ testing.TB }

func (discard) Helper()           {}
func (discard) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func everything() (dir string, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the lake with everything does not synthesise under strict validation: %v", problem)
		}
	}()
	dir = filepath.Join(scratch, "everything")
	context := settings(discard{})
	context["strata:allow-deletion"] = true
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), Context: &context, AnalyticsReporting: jsii.Bool(false)})
	stack := awscdk.NewStack(app, jsii.String("Everything"), nil)
	sender := awsiam.NewRole(stack, jsii.String("Sender"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	reader := awsiam.NewRole(stack, jsii.String("Reader"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()})
	spec := func(domain, name string, protect dataset.Protection) dataset.Spec {
		return dataset.Spec{Domain: domain, Name: name, Keys: []string{"id"}, Freshness: time.Hour, Columns: []dataset.Column{
			{Name: "id", Type: dataset.Bigint},
			{Name: "note", Type: dataset.String, Class: dataset.Personal, Protect: protect},
		}}
	}
	shop := lake.New(stack, "Shop", &lake.Props{
		Name: "shop",
		Sources: lake.Sources{
			"ErpFiles": ingestion.FileDrop{Datasets: []dataset.Spec{spec("sales", "orders", dataset.Hash)}, Senders: []awsiam.IGrantable{sender}},
			"Partners": ingestion.FileDrop{Datasets: []dataset.Spec{spec("supply", "parts", dataset.Drop)}},
		},
		Models:      fstest.MapFS{"sales/totals.sql": {Data: []byte(`SELECT count(*) AS n FROM {{ ref("sales.orders") }}`)}},
		Queries:     fstest.MapFS{"open_orders.sql": {Data: []byte(`SELECT * FROM {{ ref("sales.totals") }}`)}},
		AlarmEmails: []string{"ops@example.org"}, RawRetention: 400 * 24 * time.Hour, AllowDeletion: true,
		Validations: map[string]lake.Validation{"Erp": {
			From: database(stack), Tables: map[string]string{"sales.orders": "orders"},
			ValidationSettings: processing.ValidationSettings{Deequ: processing.Deequ{
				Jar: root + "/.cache/jars/deequ-2.1.0-spark-3.5.jar", Module: root + "/.cache/wheels/pydeequ-1.7.0-py3-none-any.whl",
			}},
		}},
	})
	shop.GrantRead(reader)
	shop.GrantLand(sender)
	lake.New(stack, "Plain", &lake.Props{Name: "plain", Sources: lake.Sources{
		"Files": ingestion.FileDrop{Datasets: []dataset.Spec{spec("ops", "events", dataset.Drop)}},
	}})
	app.Synth(nil)
	return dir, nil
}

// database is one in a network of its own.
func database(stack awscdk.Stack) *ingestion.Postgres {
	vpc := awsec2.NewVpc(stack, jsii.String("Network"), &awsec2.VpcProps{
		MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0), RestrictDefaultSecurityGroup: jsii.Bool(false),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("Data"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}},
		FlowLogs:            &map[string]*awsec2.FlowLogOptions{"All": {}},
	})
	return &ingestion.Postgres{
		Secret:   awssecretsmanager.Secret_FromSecretNameV2(stack, jsii.String("Login"), jsii.String("erp/reader")),
		Database: "erp", Vpc: vpc, Subnets: &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
	}
}

// templates are the template files of all assemblies.
func templates(t *testing.T) map[string]string {
	t.Helper()
	dirs, err := synthesised()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*.template.json"))
		if len(found) == 0 {
			t.Fatalf("%s has no template", name)
		}
		for _, f := range found {
			files[name+"/"+strings.TrimSuffix(filepath.Base(f), ".template.json")] = f
		}
	}
	return files
}

func read(t *testing.T, file string) proof.Template {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var template proof.Template
	if err := json.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	return template
}
