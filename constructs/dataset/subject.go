package dataset

import (
	"maps"
	"slices"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Subject says whom the rows of a dataset are about, so that all that is held of one of them can be erased on request.
type Subject struct {
	// Name is the kind of data subject, such as "customer": [a-z][a-z0-9_]{0,62}. Datasets of one name are searched for the
	// same values, so Column holds the same identifier in each of them.
	Name string
	// Column is the column that identifies the subject of a row: of type String, Int or Bigint, with Protect: None, a hash or
	// Tokenise. Rows in which it is NULL are about nobody.
	Column string
}

// SubjectEntry is Subject as the manifest states it.
type SubjectEntry struct {
	Name   string `json:"name"`
	Column string `json:"column"`
}

// render is nil where no subject is declared.
func (s Subject) render() *SubjectEntry {
	if s == (Subject{}) {
		return nil
	}
	return &SubjectEntry{Name: s.Name, Column: s.Column}
}

func (s Spec) checkSubject(l *check.List) {
	if s.Subject == (Subject{}) {
		return
	}
	const columns = "a column of type string, int or bigint with Protect: None, Hash, HashUnder or Tokenise"
	checkName(l, "Subject.Name", s.Subject.Name, namePattern, nameAllowed)
	name := s.Subject.Column
	c, ok := s.column(name)
	switch {
	case !ok:
		l.Add("Subject.Column", "is no declared column", name, s.columnNames())
	case c.Type != String && c.Type != Int && c.Type != Bigint:
		l.Add("Subject.Column", "names no subject: its column is of type "+string(c.Type), name, columns)
	case !c.Protect.distinct():
		l.Add("Subject.Column", "does not tell whose a row is once its column is protected by "+c.Protect.String(), name, columns)
	}
}

// SubjectVaults are the vaults that hold values of data subjects, each with whether a column that identifies them is
// tokenised for it.
func (m *Manifest) SubjectVaults() map[string]bool {
	found := map[string]bool{}
	for i := range m.Datasets {
		d := &m.Datasets[i]
		if d.Subject == nil {
			continue
		}
		for _, c := range d.Columns {
			if vault, tokenised := c.Protect.Vault(); tokenised {
				found[vault] = found[vault] || c.Name == d.Subject.Column
			}
		}
	}
	return found
}

// Subjects are the kinds of data subjects that datasets of the manifest declare, sorted.
func (m *Manifest) Subjects() []string {
	names := map[string]bool{}
	for i := range m.Datasets {
		if s := m.Datasets[i].Subject; s != nil {
			names[s.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
