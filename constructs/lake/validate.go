package lake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/consumption"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/operations"
	"github.com/strata-cdk/strata/constructs/security"
	"github.com/strata-cdk/strata/constructs/storage"
	"github.com/strata-cdk/strata/lambda/contract"
)

const day = 24 * time.Hour

// Validate reports every problem of the declaration at once, by the path of its field.
func (p *Props) Validate() error {
	_, err := p.manifest()
	return err
}

// manifest validates the declaration and renders it.
func (p *Props) manifest() (*dataset.Manifest, error) {
	if p == nil {
		p = &Props{}
	}
	var l check.List
	l.Under("Name", dataset.ValidateLakeName(p.Name))
	declared := p.checkSources(&l)
	models, err := dataset.Models(p.Models)
	l.Under("Models", err)
	manifest, err := dataset.NewManifest(p.Name, declared.specs, declared.landings, models)
	declared.adopt(&l, err)
	if manifest == nil {
		manifest = sketch(declared.specs, models)
	}
	p.checkQueries(&l, manifest)
	p.checkSettings(&l)
	l.Under("Pipeline", p.Pipeline.CheckAges(manifest.Datasets))
	p.checkForgetting(&l, declared.specs)
	p.checkValidations(&l, declared.specs)
	if err := l.Err(); err != nil {
		return nil, err
	}
	return manifest, nil
}

// declarations are what the sources declare, and where each comes from.
type declarations struct {
	specs        []dataset.Spec
	landings     []dataset.Landing
	landingPaths []string
}

func (p *Props) checkSources(l *check.List) declarations {
	var d declarations
	if len(p.Sources) == 0 {
		l.Add("Sources", "is empty", nil, "at least one source, such as ingestion.FileDrop")
	}
	ids, folders := map[string]string{}, map[string]string{}
	for _, id := range p.Sources.ids() {
		path := check.Key("Sources", id)
		l.Under(path, ingestion.CheckID(id))
		folder := ingestion.Folder(id)
		if other, taken := folders[folder]; taken {
			l.Add(path, "lands in the folder of "+check.Key("Sources", other), folder, "ids that differ in lower case with dashes")
		}
		folders[folder] = id
		if folder == contract.CorrectionsFolder {
			l.Add(path, "lands where corrections of refused records lie", folder, "another id")
		}
		if other := ownerOfErrors(p.Sources, folder); other != "" {
			l.Add(path, "lands where what "+check.Key("Sources", other)+" cannot deliver lies", folder, "another id")
		}
		source := p.Sources[id]
		if source == nil {
			l.Add(path, "is nil", nil, "a source, such as ingestion.FileDrop")
			continue
		}
		l.Under(path, source.Validate())
		for i, s := range source.Specs() {
			d.specs = append(d.specs, s)
			ids[check.Join(path, check.Index("Datasets", i))] = s.ID()
		}
		for _, at := range source.Landings(id) {
			d.landings = append(d.landings, at)
			d.landingPaths = append(d.landingPaths, path)
		}
	}
	l.Under("", dataset.Unique(ids))
	return d
}

// ownerOfErrors is the source whose failed deliveries lie in the folder, if any.
func ownerOfErrors(sources Sources, folder string) string {
	for _, id := range sources.ids() {
		if contract.ErrorsFolder(ingestion.Folder(id)) == folder {
			return id
		}
	}
	return ""
}

// adopt adds what only the whole manifest shows: clashes of landing prefixes, told at their source, and references of
// models. The sources have judged their datasets already.
func (d declarations) adopt(l *check.List, err error) {
	var all *check.Error
	if !errors.As(err, &all) {
		l.Under("", err)
		return
	}
	for _, problem := range all.Problems {
		var i int
		switch {
		case strings.HasPrefix(problem.Path, "Models"):
			l.Under("", &check.Error{Problems: []check.Problem{problem}})
		case scan(problem.Path, "Landing[%d]", &i):
			if strings.Contains(problem.Text, "is taken by") {
				problem.Text = "is claimed by two datasets"
			}
			problem.Path = check.Join(d.landingPaths[i], "Landings")
			l.Under("", &check.Error{Problems: []check.Problem{problem}})
		}
	}
}

func scan(text, format string, into *int) bool {
	n, _ := fmt.Sscanf(text, format, into)
	return n == 1
}

// sketch is enough of a manifest to judge references when the declaration has other problems.
func sketch(specs []dataset.Spec, models []dataset.Model) *dataset.Manifest {
	m := &dataset.Manifest{Models: models}
	for _, s := range specs {
		m.Datasets = append(m.Datasets, dataset.Entry{ID: s.ID(), Name: s.Name})
	}
	return m
}

// checkQueries lets the workgroup judge its queries before there is a bucket or a database.
func (p *Props) checkQueries(l *check.List, manifest *dataset.Manifest) {
	props := p.workgroup(manifest, struct{ storage.ZoneRef }{}, nameOnly{name: dataset.OperationsDatabase(p.Name)})
	props.Name = "any"
	l.Under("", props.Validate())
}

// nameOnly is a database of which only the name is known yet.
type nameOnly struct {
	catalog.DatabaseRef
	name string
}

func (n nameOnly) Name() string { return n.name }

func (p *Props) workgroup(manifest *dataset.Manifest, artifacts storage.ZoneRef, ops catalog.DatabaseRef) *consumption.WorkgroupProps {
	return &consumption.WorkgroupProps{
		Name: p.Name, Doc: "Queries on the data lake " + p.Name, Artifacts: artifacts, Operations: ops,
		Queries: p.Queries, Manifest: manifest, ScanLimit: p.ScanLimit, AllowDeletion: p.AllowDeletion,
	}
}

func (p *Props) checkSettings(l *check.List) {
	l.Under("Pipeline", p.Pipeline.Validate())
	l.Under("ReconcileEvery", ingestion.CheckReconcileEvery(p.ReconcileEvery))
	if p.NoncurrentRetention < 0 || p.NoncurrentRetention%day != 0 {
		l.Add("NoncurrentRetention", "is no number of whole days", p.NoncurrentRetention, "a positive multiple of 24h, or zero for 30 days")
	}
	if p.RawRetention < 0 || p.RawRetention%day != 0 {
		l.Add("RawRetention", "is no number of whole days", p.RawRetention, "a positive multiple of 24h, or zero for forever")
	}
	alarms := &operations.AlarmsProps{Lake: "any", Topic: p.AlarmTopic, Emails: p.AlarmEmails}
	renamed(l, alarms.Validate(), "Emails", "AlarmEmails")
	l.Under("Keys", p.Keys.Validate())
	security.CheckLogRetention(l, "LogRetention", p.LogRetention)
}

// checkForgetting judges that a lake which erases people on request does not keep them for ever where senders wrote them.
func (p *Props) checkForgetting(l *check.List, specs []dataset.Spec) {
	i := slices.IndexFunc(specs, func(s dataset.Spec) bool { return s.Subject != (dataset.Subject{}) })
	if i >= 0 && p.RawRetention == 0 {
		l.Add("RawRetention", "is missing: "+specs[i].ID()+" declares a Subject, and whoever is erased stays in raw objects, which are never rewritten, until they expire",
			nil, "how long raw objects may be needed, such as 30 * 24 * time.Hour")
	}
}

// renamed adds problems of a layer under the name its field has here.
func renamed(l *check.List, err error, from, to string) {
	var all *check.Error
	if !errors.As(err, &all) {
		l.Under("", err)
		return
	}
	for _, problem := range all.Problems {
		if rest, ok := strings.CutPrefix(problem.Path, from); ok {
			problem.Path = to + rest
		}
		l.Under("", &check.Error{Problems: []check.Problem{problem}})
	}
}
