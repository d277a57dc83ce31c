package lake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/consumption"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/processing"
	"github.com/strata-cdk/strata/constructs/security"
)

// detokenisedRetention is how long results of queries that turn tokens back are kept: they hold values that no table of
// the lake has.
const detokenisedRetention = 24 * time.Hour

// vault is where the tokens of one name are turned back.
type vault struct {
	database  *catalog.Database
	secret    *security.HashSecret
	workgroup *consumption.Workgroup
}

// newVaults makes what each vault needs. Its workgroup leaves results in the vaults' own bucket and in a folder of its
// own: those of the lake's workgroup are read by everyone who may query there.
func (l *Lake) newVaults() {
	l.vaults = map[string]vault{}
	if len(l.manifest.Vaults()) == 0 {
		return
	}
	group := constructs.NewConstruct(l, jsii.String("Vaults"))
	for _, declared := range l.manifest.Vaults() {
		scope := constructs.NewConstruct(group, jsii.String(declared.Name))
		l.vaults[declared.Name] = vault{
			database: catalog.NewDatabase(scope, "Tables", &catalog.DatabaseProps{
				Name: declared.Database, Doc: "What the tokens of the vault " + declared.Name + " stand for.",
				Zone: l.vaultZone, Prefix: "vault/" + declared.Name + "/", AllowDeletion: l.props.AllowDeletion,
			}),
			secret: security.NewHashSecret(scope, "Secret", &security.HashSecretProps{
				Key: l.keys.Control(), AllowDeletion: l.props.AllowDeletion,
			}),
			workgroup: consumption.NewWorkgroup(scope, "Workgroup", &consumption.WorkgroupProps{
				Name:      l.props.Name + "-vault-" + declared.Name,
				Doc:       "Turns tokens of the vault " + declared.Name + " back into values",
				Artifacts: l.vaultZone, ScanLimit: l.props.ScanLimit, AllowDeletion: l.props.AllowDeletion,
			}),
		}
	}
}

func (l *Lake) pipelineVaults() map[string]processing.Vault {
	all := map[string]processing.Vault{}
	for name, v := range l.vaults {
		all[name] = processing.Vault{Database: v.database, Secret: v.secret}
	}
	return all
}

// GrantDetokenise lets reader turn the tokens of a vault back into values, by queries in the vault's own workgroup
// <lake>-vault-<name>: the workgroup and its results, the vault's table and its key. With domains it lets reader join the
// vault with their cleaned and curated tables there; without any, reader sees tokens and values alone. Nothing else
// opens a vault. Results are kept for a day. Give it to a role that is for this purpose alone: what a reader who also has
// GrantRead selects in the lake's workgroup lies where its other readers may look. A vault or domain the lake does not
// have panics.
func (l *Lake) GrantDetokenise(reader awsiam.IGrantable, name string, names ...string) awsiam.Grant {
	var problems check.List
	v, ok := l.vaults[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(l.vaults)), ", ")
		if known == "" {
			known = "none: a column with Protect: dataset.Tokenise makes one"
		}
		problems.Add("vault", "is no vault of the lake", name, known)
	}
	databases := l.databasesOf(&problems, names)
	check.Must(fmt.Sprintf("%s GrantDetokenise", *l.Node().Path()), problems.Err())
	return v.workgroup.GrantQuery(reader, append(databases, v.database)...)
}

// databasesOf are the cleaned and curated databases of the domains.
func (l *Lake) databasesOf(problems *check.List, names []string) []catalog.DatabaseRef {
	known := l.manifest.Manifest().Domains()
	var databases []catalog.DatabaseRef
	for i, name := range names {
		if !slices.Contains(known, name) {
			problems.Add(check.Index("domain", i), "is no domain of the lake", name, strings.Join(known, ", "))
			continue
		}
		for _, zone := range []domains{l.cleanedTables, l.curatedTables} {
			if db, ok := zone[name]; ok {
				databases = append(databases, db)
			}
		}
	}
	return databases
}

// vaultWorkgroups are the names of the workgroups in which tokens are turned back.
func (l *Lake) vaultWorkgroups() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(l.vaults)) {
		all = append(all, l.vaults[name].workgroup.Name())
	}
	return all
}
