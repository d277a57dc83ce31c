package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// Route names the dataset that an object of the raw bucket belongs to: the one with the longest landing prefix of the
// key. It is false when no prefix claims the key.
func (m *Manifest) Route(key string) (datasetID string, ok bool) {
	at, ok := m.LandingOf(key)
	return at.Dataset, ok
}

// LandingOf is the landing that claims an object of the raw bucket: the one with the longest prefix of the key. It is
// false when no prefix claims the key.
func (m *Manifest) LandingOf(key string) (Landing, bool) {
	longest := -1
	for i, at := range m.Landing {
		if strings.HasPrefix(key, at.Prefix) && (longest < 0 || len(at.Prefix) > len(m.Landing[longest].Prefix)) {
			longest = i
		}
	}
	if longest < 0 {
		return Landing{}, false
	}
	return m.Landing[longest], true
}

// Dataset finds a dataset by its id.
func (m *Manifest) Dataset(id string) (*Entry, bool) {
	i := slices.IndexFunc(m.Datasets, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		return nil, false
	}
	return &m.Datasets[i], true
}

// Model finds a model by its id.
func (m *Manifest) Model(id string) (*Model, bool) {
	i := slices.IndexFunc(m.Models, func(model Model) bool { return model.ID == id })
	if i < 0 {
		return nil, false
	}
	return &m.Models[i], true
}

// Domains are the domains of all datasets and models, sorted.
func (m *Manifest) Domains() []string {
	var domains []string
	for _, e := range m.Datasets {
		domains = append(domains, e.Domain)
	}
	for _, model := range m.Models {
		domains = append(domains, model.Domain)
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}

// AthenaSQL renders the references of a query, {{ ref("<domain>.<name>") }}, as "database"."table" for Athena. A
// reference names a model, else a dataset; a CDC dataset's is its view, which hides deleted rows. The error lists every
// reference that names neither.
func (m *Manifest) AthenaSQL(query string) (string, error) {
	text := scanSQL(query, athena)
	var out strings.Builder
	var unknown []string
	end := 0
	for _, t := range text.tokens {
		if t.kind != tokenRef {
			continue
		}
		out.WriteString(query[end:t.start])
		end = t.end
		database, table, ok := m.table(t.text)
		if !ok {
			unknown = append(unknown, t.text)
		}
		fmt.Fprintf(&out, `"%s"."%s"`, database, table)
	}
	out.WriteString(query[end:])
	problems := text.problems
	if len(unknown) > 0 {
		problems = append(problems, fmt.Sprintf("no dataset or model has the id %s; declared: %s", strings.Join(unknown, ", "), listing(m.ids())))
	}
	if len(problems) > 0 {
		return "", fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	return out.String(), nil
}

func (m *Manifest) table(id string) (database, table string, ok bool) {
	if model, found := m.Model(id); found {
		return model.Database, model.Name, true
	}
	if e, found := m.Dataset(id); found {
		if e.Load == CDC {
			return e.CleanedDatabase, CurrentView(e.Name), true
		}
		return e.CleanedDatabase, e.Name, true
	}
	return "", "", false
}

func (m *Manifest) ids() []string {
	var ids []string
	for _, e := range m.Datasets {
		ids = append(ids, e.ID)
	}
	for _, model := range m.Models {
		ids = append(ids, model.ID)
	}
	slices.Sort(ids)
	return ids
}
