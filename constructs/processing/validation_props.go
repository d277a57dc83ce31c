package processing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"

	"github.com/strata-cdk/strata/constructs/catalog"
	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/asset"
	"github.com/strata-cdk/strata/constructs/internal/check"
)

// ValidationSettings tune how tables are compared with their source. But for Deequ the zero value is the default.
type ValidationSettings struct {
	// Deequ is what measures both sides beside the comparison. Required.
	Deequ Deequ
	// Connections is how many connections read the source at once, from 1 to 64. A table is read by more than one if the
	// first column of its key is a whole number or a numeric.
	// Default: 4.
	Connections int
	// LookAgain is how often keys that differ are looked at again before they are told, from 1 to 20: the source goes on
	// while the lake follows it. Once excludes it.
	// Default: 3.
	LookAgain int
	// LookAgainAfter is the time between two looks, in which the job waits: whole seconds, from 10 seconds to an hour. It
	// should be as long as the lake usually takes to follow.
	// Default: 2 minutes.
	LookAgainAfter time.Duration
	// Once tells what differs at the first look.
	// Default: false.
	Once bool
	// Mismatches is how many lines are listed of a dataset, from 1 to 100,000. What differs is counted all the same.
	// Default: 1000.
	Mismatches int
	// HideValues lists keys and columns alone. Values of protected columns are never listed.
	// Default: false, up to 200 characters of the values of other columns are listed.
	HideValues bool
	// SecurityGroups are the security groups of the job. They have to let each reach itself on every TCP port, as Glue
	// asks, and let it reach the database's port, and port 443 for the services; the database's own groups have to let it in.
	// Default: a new group that may reach itself, the database's port within the VPC and port 443 anywhere, and that
	// nobody else may reach; the validation's SecurityGroup returns it, for the database's groups to let in.
	SecurityGroups []awsec2.ISecurityGroup
}

// Deequ are libraries of awslabs (Apache License 2.0), as they are published, where the lake is synthesised: nothing is
// downloaded then, and a job in a network without a way to the internet installs nothing. Relative paths begin where the
// app runs.
type Deequ struct {
	// Jar is the path of deequ-2.1.0-spark-3.5.jar, from Maven Central (com.amazon.deequ:deequ). Required.
	Jar string
	// Module is the path of pydeequ-1.7.0-py3-none-any.whl, from PyPI (pip download --no-deps pydeequ==1.7.0). Required.
	Module string
}

const (
	defaultConnections    = 4
	defaultLookAgain      = 3
	defaultLookAgainAfter = 2 * time.Minute
	defaultMismatches     = 1000
)

// Validate reports every setting that is out of range or missing. Zero stands for the default.
func (s ValidationSettings) Validate() error {
	var l check.List
	asset.Deequ.Check(&l, "Deequ.Jar", s.Deequ.Jar)
	asset.PyDeequ.Check(&l, "Deequ.Module", s.Deequ.Module)
	number(&l, "Connections", int64(s.Connections), 1, 64)
	number(&l, "LookAgain", int64(s.LookAgain), 1, 20)
	span(&l, "LookAgainAfter", s.LookAgainAfter, time.Second, 10*time.Second, time.Hour)
	number(&l, "Mismatches", int64(s.Mismatches), 1, 100_000)
	if s.Once && s.LookAgain != 0 {
		l.Add("LookAgain", "has no effect with Once", s.LookAgain, "0, or Once: false")
	}
	if s.Once && s.LookAgainAfter != 0 {
		l.Add("LookAgainAfter", "has no effect with Once", s.LookAgainAfter, "0, or Once: false")
	}
	for i, g := range s.SecurityGroups {
		if g == nil {
			l.Add(check.Index("SecurityGroups", i), "is nil", nil, "a security group")
		}
	}
	return l.Err()
}

func (s ValidationSettings) withDefaults() ValidationSettings {
	orDefault(&s.Connections, defaultConnections)
	orDefault(&s.LookAgainAfter, defaultLookAgainAfter)
	orDefault(&s.Mismatches, defaultMismatches)
	if !s.Once {
		orDefault(&s.LookAgain, defaultLookAgain)
	}
	return s
}

// CheckAges reports looks that could take longer than a job may run.
func (s ValidationSettings) CheckAges(jobs Settings) error {
	var l check.List
	s = s.withDefaults()
	if waits, timeout := time.Duration(s.LookAgain)*s.LookAgainAfter, jobs.withDefaults().JobTimeout; waits >= timeout {
		l.Add("LookAgainAfter", fmt.Sprintf("is too long: %d looks wait for %v, and a job ends after JobTimeout, %v", s.LookAgain, waits, timeout),
			s.LookAgainAfter, "fewer or sooner looks, or a longer JobTimeout of the pipeline")
	}
	return l.Err()
}

// ValidationProps configures a validation.
type ValidationProps struct {
	ValidationSettings
	// Pipeline fills the tables that are compared. The validation has its keys, logs, alarms and workers. Required.
	Pipeline *Pipeline
	// Source is the database with the tables that the datasets are copies of, each of which has Keys and no
	// Window. Required.
	Source catalog.SourceDatabase
}

// Validate reports every problem of the props.
func (p *ValidationProps) Validate() error {
	var l check.List
	if p == nil {
		p = &ValidationProps{}
	}
	l.Under("", p.ValidationSettings.Validate())
	required := func(path string, missing bool, allowed string) {
		if missing {
			l.Add(path, "is missing", nil, allowed)
		}
	}
	required("Pipeline", p.Pipeline == nil, "processing.NewPipeline(…)")
	required("Source.Secret", p.Source.Secret == nil, "a secret with host, port, username and password")
	required("Source.Vpc", p.Source.Vpc == nil, "the network from which the database is reached")
	required("Source.Database", p.Source.Database == "", "the name of the database within the server")
	required("Source.Schema", p.Source.Schema == "", "the schema of the tables")
	required("Source.Tables", len(p.Source.Tables) == 0, "the name of a table for each dataset that is compared")
	if p.Pipeline == nil {
		return l.Err()
	}
	l.Under("", p.CheckAges(p.Pipeline.props.Settings))
	known := map[string]dataset.Entry{}
	for _, d := range p.Pipeline.props.Manifest.Manifest().Datasets {
		known[d.ID] = d
	}
	for _, id := range slices.Sorted(maps.Keys(p.Source.Tables)) {
		d, ok := known[id]
		path := check.Key("Source.Tables", id)
		switch {
		case !ok:
			l.Add(path, "is no dataset of the pipeline", id, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case len(d.Keys) == 0:
			l.Add(path, "has no Keys, so none of its rows can be told from another", id, "a dataset with Keys")
		case d.Window != nil:
			l.Add(path, "has a Window, so a key may be stored more than once", id, "a dataset without a Window")
		}
	}
	return l.Err()
}
