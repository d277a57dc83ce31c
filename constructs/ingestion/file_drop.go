// Package ingestion brings data into the raw zone and tells the lake about every object that lands there.
package ingestion

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/constructs/internal/check"
	"github.com/strata-cdk/strata/constructs/storage"
)

// FileDrop is a source whose senders write files into the raw bucket themselves, with PutObject or any tool that ends
// in it. Files of a dataset belong under <source>/<domain>/<dataset>/, where <source> is the source's id in lower case
// with dashes between its words: Files and the dataset sales.orders give files/sales/orders/. Names below that prefix
// are free; a key that ends in .gz is read as gzip.
//
// A FileDrop is a plain value: nothing exists until a lake (or NewFileDrop) takes it. A further dataset costs no
// resource and no line of a policy.
type FileDrop struct {
	// Datasets are the datasets whose files land here, of load Append, Upsert or Snapshot, or of CDC with Format DMSCSV or
	// DMSJSON: files of other formats keep no order of changes across objects, which CDC needs. At least one.
	Datasets []dataset.Spec
	// Senders may write objects under the source's prefix, encrypted under the raw zone's key; they can neither list,
	// read nor delete.
	// Default: nobody beside the account's administrators; grant later with GrantLand.
	Senders []awsiam.IGrantable
}

var _ storage.Source = FileDrop{}

// Specs are the datasets whose files land here.
func (f FileDrop) Specs() []dataset.Spec { return f.Datasets }

// Landings are the prefixes the source claims under its id, one per dataset.
func (f FileDrop) Landings(id string) []dataset.Landing {
	landings := make([]dataset.Landing, len(f.Datasets))
	for i, s := range f.Datasets {
		landings[i] = dataset.Landing{Prefix: Folder(id) + s.Domain + "/" + s.Name + "/", Dataset: s.ID(), Source: id}
		if s.Load == dataset.CDC {
			only := 1
			landings[i].Generation = &only
		}
	}
	return landings
}

// Validate reports every problem of the declaration, those of its datasets included.
func (f FileDrop) Validate() error {
	var l check.List
	if len(f.Datasets) == 0 {
		l.Add("Datasets", "is empty", nil, "at least one dataset whose files land here")
	}
	for i, s := range f.Datasets {
		path := check.Index("Datasets", i)
		l.Under(path, s.Validate())
		if s.Load == dataset.CDC && !ordered(s.Format) {
			l.Add(check.Join(path, "Load"), "is not for files of this format, which keep no order of changes", s.Load,
				"Format: dataset.DMSCSV{} or dataset.DMSJSON{…}; or Append, Upsert with a Sequence, or Snapshot; ingestion.Replication delivers CDC")
		}
	}
	for i, s := range f.Senders {
		if s == nil {
			l.Add(check.Index("Senders", i), "is nil", nil, "a principal: a role, a user, a service or account principal")
		}
	}
	return l.Err()
}

// ordered tells whether the records of a format carry the source's own sequence.
func ordered(f dataset.Format) bool {
	switch f.(type) {
	case dataset.DMSCSV, dataset.DMSJSON:
		return true
	}
	return false
}

// Attach makes the landing below scope and lets the senders write to it.
func (f FileDrop) Attach(scope constructs.Construct, id string, lake storage.LakeRef) constructs.Construct {
	return NewFileDrop(scope, id, &FileDropProps{FileDrop: f, Raw: lake.Raw()})
}

// FileDropProps configures a file drop that stands alone.
type FileDropProps struct {
	FileDrop
	// Raw is the landing zone. Required.
	Raw storage.ZoneRef
}

// Validate reports every problem of the props.
func (p *FileDropProps) Validate() error {
	var l check.List
	if p == nil {
		p = &FileDropProps{}
	}
	if p.Raw == nil {
		l.Add("Raw", "is missing", nil, "the zone where files land: storage.NewZone with Landing: true, or an imported one")
	}
	l.Under("", p.FileDrop.Validate())
	return l.Err()
}

// FileLanding is where the files of one FileDrop land. It makes no resource of its own: permissions are lines in the
// senders' policies.
type FileLanding struct {
	constructs.Construct
	raw    storage.ZoneRef
	folder string
}

// NewFileDrop makes the landing of a file drop and lets its senders write there. The id is the source's id: in lower
// case with dashes it is the first folder of every landed file, so changing it is a breaking change.
func NewFileDrop(scope constructs.Construct, id string, props *FileDropProps) *FileLanding {
	var l check.List
	l.Under("id", CheckID(id))
	l.Under("", props.Validate())
	check.Must(*scope.Node().Path()+"/"+id, l.Err())
	f := &FileLanding{raw: props.Raw, folder: Folder(id)}
	constructs.NewConstruct_Override(f, scope, jsii.String(id))
	for _, s := range props.Senders {
		f.GrantLand(s)
	}
	return f
}

// GrantLand lets sender put objects, in parts as well, anywhere under the source's folder, and use the raw zone's key
// for it. It grants no listing, reading or deleting.
func (f *FileLanding) GrantLand(sender awsiam.IGrantable) awsiam.Grant {
	return f.raw.GrantPut(sender, f.folder)
}

// URI is the s3:// address of the folder under which the source's files land.
func (f *FileLanding) URI() string { return f.raw.URI(f.folder) }

var (
	idForm = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,30}$`)
	// A new word begins at a capital after a small letter or digit, and at the last capital of a run before a small one.
	wordStart = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
)

// CheckID reports whether a source's id can name a construct and a folder.
func CheckID(id string) error {
	if idForm.MatchString(id) {
		return nil
	}
	return fmt.Errorf("%q is no source id; allowed: PascalCase, %s", id, idForm)
}

// Folder is the first folder of everything a source lands: its id in lower case with dashes between words, and a slash.
// ErpOrders gives erp-orders/.
func Folder(id string) string {
	return strings.ToLower(wordStart.ReplaceAllString(id, "$1$3-$2$4")) + "/"
}
