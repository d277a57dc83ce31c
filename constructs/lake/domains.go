package lake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

// domains are the databases of one zone by domain.
type domains map[string]catalog.DatabaseRef

func (d domains) names() []string { return slices.Sorted(maps.Keys(d)) }

func (d domains) all() []catalog.DatabaseRef {
	var all []catalog.DatabaseRef
	for _, name := range d.names() {
		all = append(all, d[name])
	}
	return all
}

func datasetDomains(m *dataset.Manifest) []string {
	names := map[string]bool{}
	for _, d := range m.Datasets {
		names[d.Domain] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func modelDomains(m *dataset.Manifest) []string {
	names := map[string]bool{}
	for _, model := range m.Models {
		names[model.Domain] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// newDatabases makes a database per domain. Domains are collection keys and so become construct ids.
func (l *Lake) newDatabases(id string, zone storage.ZoneRef, name func(lake, domain string) string, of []string) domains {
	if len(of) == 0 {
		return nil
	}
	group := constructs.NewConstruct(l, jsii.String(id))
	made := domains{}
	for _, domain := range of {
		made[domain] = catalog.NewDatabase(group, domain, &catalog.DatabaseProps{
			Name: name(l.props.Name, domain), Zone: zone, Prefix: domain + "/", AllowDeletion: l.props.AllowDeletion,
		})
	}
	return made
}

// GrantRead lets reader query the cleaned and curated tables of the domains in the lake's workgroup: workgroup, results,
// table definitions, data and keys together. Without domains it covers all of them. Raw, quarantine and vaults stay
// closed, since they hold unprotected values. A domain the lake does not have panics.
func (l *Lake) GrantRead(reader awsiam.IGrantable, names ...string) awsiam.Grant {
	if len(names) == 0 {
		names = l.manifest.Manifest().Domains()
	}
	var problems check.List
	databases := l.databasesOf(&problems, names)
	check.Must(fmt.Sprintf("%s GrantRead", *l.Node().Path()), problems.Err())
	return l.workgroup.GrantQuery(reader, databases...)
}

// Source is the construct that the source of this id in Props.Sources has become: an *ingestion.DatabaseReplication for
// an ingestion.Replication, an *ingestion.DeliveryStream for a Stream, an *ingestion.FileLanding for a FileDrop. A
// source the lake does not have panics.
func (l *Lake) Source(id string) constructs.Construct {
	found, ok := l.sources[id]
	if !ok {
		var problems check.List
		problems.Add("source", "is no source of the lake", id, strings.Join(slices.Sorted(maps.Keys(l.sources)), ", "))
		check.Must(fmt.Sprintf("%s Source", *l.Node().Path()), problems.Err())
	}
	return found
}

// GrantReplay lets operator land files of corrections, start replays and see what becomes of them. Of the lake's data it
// lets operator read nothing.
func (l *Lake) GrantReplay(operator awsiam.IGrantable) awsiam.Grant {
	return l.pipeline.GrantReplay(operator).Combine(l.raw.GrantPut(operator, contract.CorrectionsFolder))
}

// GrantErase lets operator ask for erasures and see what becomes of them. Of the lake's data it lets operator read
// nothing. In a lake without a dataset that declares a Subject it panics.
func (l *Lake) GrantErase(operator awsiam.IGrantable) awsiam.Grant {
	return l.pipeline.GrantErase(operator)
}

// lander is a source whose senders are granted one by one.
type lander interface {
	GrantLand(sender awsiam.IGrantable) awsiam.Grant
}

// GrantLand lets sender land files of the sources, which must be file drops. Without sources it covers every file drop
// of the lake. A source the lake does not have, or that lands by itself, panics.
func (l *Lake) GrantLand(sender awsiam.IGrantable, sources ...string) awsiam.Grant {
	open := map[string]lander{}
	for id, s := range l.sources {
		if drop, ok := s.(lander); ok {
			open[id] = drop
		}
	}
	known := slices.Sorted(maps.Keys(open))
	if len(sources) == 0 {
		sources = known
	}
	var problems check.List
	for i, id := range sources {
		if open[id] == nil {
			problems.Add(check.Index("source", i), "is no source that takes files", id, strings.Join(known, ", "))
		}
	}
	if len(sources) == 0 {
		problems.Add("source", "the lake has no source that takes files", nil, "an ingestion.FileDrop among Sources")
	}
	check.Must(fmt.Sprintf("%s GrantLand", *l.Node().Path()), problems.Err())
	var all awsiam.Grant
	for _, id := range sources {
		grant := open[id].GrantLand(sender)
		if all == nil {
			all = grant
		} else {
			all = all.Combine(grant)
		}
	}
	return all
}
