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
	"github.com/strata-cdk/strata/constructs/ingestion"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/processing"
)

// Validation compares cleaned tables with the tables of a PostgreSQL database that they are copies of, when somebody
// starts it (docs/validation.md). Under the id of a Replication it compares what that follows, and nothing of the
// database is said again. Under another id it needs From and Tables.
type Validation struct {
	processing.ValidationSettings
	// From is the database. Its SecurityGroups are those of a replication: say in ValidationSettings which the job has.
	// Default: that of the Replication of the same id.
	From *ingestion.Postgres
	// Schema is the schema of the tables: [A-Za-z_][A-Za-z0-9_]{0,62}.
	// Default: public, or that of the Replication.
	Schema string
	// Tables names the table of each dataset that is compared, by the dataset's id. Each of these datasets has Keys, and no
	// Window.
	// Default: those of the Replication.
	Tables map[string]string
}

// source is the database a validation reads; false if nothing says which.
func (p *Props) sourceOf(id string) (catalog.SourceDatabase, bool) {
	if followed, ok := p.Sources[id].(catalog.Followed); ok {
		return followed.SourceDatabase(), true
	}
	v := p.Validations[id]
	if v.From == nil {
		return catalog.SourceDatabase{}, false
	}
	return v.From.Holding(v.Schema, v.Tables), true
}

func (p *Props) checkValidations(l *check.List, specs []dataset.Spec) {
	for _, id := range slices.Sorted(maps.Keys(p.Validations)) {
		path, v := check.Key("Validations", id), p.Validations[id]
		l.Under(path, ingestion.CheckID(id))
		l.Under(path, v.Validate())
		l.Under(path, v.CheckAges(p.Pipeline))
		if _, ok := p.Sources[id].(catalog.Followed); ok {
			v.checkFollowed(l, path)
		} else {
			v.checkOwn(l, path, specs)
		}
	}
}

// checkFollowed judges a validation of what a replication follows, which says all of it.
func (v Validation) checkFollowed(l *check.List, path string) {
	known := func(field string, given bool) {
		if given {
			l.Add(check.Join(path, field), "is known from the replication of the same id", nil, "nothing, or another id")
		}
	}
	known("From", v.From != nil)
	known("Schema", v.Schema != "")
	known("Tables", len(v.Tables) > 0)
}

func (v Validation) checkOwn(l *check.List, path string, specs []dataset.Spec) {
	if v.From == nil {
		l.Add(check.Join(path, "From"), "is missing: no replication has this id", nil, "&ingestion.Postgres{…}, or the id of an ingestion.Replication")
	} else {
		l.Under(check.Join(path, "From"), v.From.Validate())
		if len(v.From.SecurityGroups) > 0 {
			l.Add(check.Join(path, "From.SecurityGroups"), "are those of a replication", nil, "SecurityGroups of the validation")
		}
	}
	if v.Schema != "" {
		l.Under(check.Join(path, "Schema"), ingestion.ValidateTable(v.Schema))
	}
	if len(v.Tables) == 0 {
		l.Add(check.Join(path, "Tables"), "is empty", nil, "the name of a table for each dataset that is compared")
	}
	known := map[string]dataset.Spec{}
	for _, s := range specs {
		known[s.ID()] = s
	}
	for _, id := range slices.Sorted(maps.Keys(v.Tables)) {
		at := check.Join(path, check.Key("Tables", id))
		l.Under(at, ingestion.ValidateTable(v.Tables[id]))
		s, ok := known[id]
		switch {
		case !ok:
			l.Add(at, "is no dataset of the lake", id, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case len(s.Keys) == 0:
			l.Add(at, "has no Keys, so none of its rows can be told from another", id, "a dataset with Keys")
		case s.Window != (dataset.Window{}):
			l.Add(at, "has a Window, so a key may be stored more than once", id, "a dataset without a Window")
		}
	}
}

// newValidations makes what was declared. Ids are collection keys and so become construct ids.
func (l *Lake) newValidations() {
	l.validations = map[string]*processing.Validation{}
	if len(l.props.Validations) == 0 {
		return
	}
	group := constructs.NewConstruct(l, jsii.String("Validations"))
	for _, id := range slices.Sorted(maps.Keys(l.props.Validations)) {
		source, _ := l.props.sourceOf(id)
		l.validations[id] = processing.NewValidation(group, id, &processing.ValidationProps{
			ValidationSettings: l.props.Validations[id].ValidationSettings, Pipeline: l.pipeline, Source: source,
		})
	}
}

// Validation is the construct that the validation of this id in Props.Validations has become. One the lake does not have
// panics.
func (l *Lake) Validation(id string) *processing.Validation {
	found, ok := l.validations[id]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(l.validations)), ", ")
		if known == "" {
			known = "none: declare it in Validations"
		}
		var problems check.List
		problems.Add("validation", "is no validation of the lake", id, known)
		check.Must(fmt.Sprintf("%s Validation", *l.Node().Path()), problems.Err())
	}
	return found
}

// GrantValidate lets operator start a validation and see how it ends; how it ended tells how many rows of which datasets
// differ, and no value. Of the lake's data it lets operator read nothing. A validation the lake does not have panics.
func (l *Lake) GrantValidate(operator awsiam.IGrantable, id string) awsiam.Grant {
	return l.Validation(id).GrantValidate(operator)
}
