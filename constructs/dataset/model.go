package dataset

import (
	"io/fs"
	"path"
	"strings"

	"github.com/strata-cdk/strata/constructs/internal/check"
)

// Models reads the curated tables of a file tree: each file <domain>/<name>.sql, in any folder, is one model. Its text is
// one query of Spark SQL that names its inputs as {{ ref("<domain>.<name>") }}; comment lines before the query are the
// model's description. A nil tree has no models.
//
// The models come in dependency order, ties by id. The error lists every problem at once, with paths ["<file>"]: names,
// an empty or second statement, a table that is not named by a reference, text that gives another result on another day
// or run, cycles, and ids used twice. What could be read comes with the error, in no useful order, so that what refers
// to it can still be judged. That references name declared datasets is judged by NewManifest, which knows them.
func Models(tree fs.FS) ([]Model, error) {
	if tree == nil {
		return nil, nil
	}
	var l check.List
	var models []Model
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".sql" {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		m, err := parseModel(name, string(content))
		l.Under(check.Key("", name), err)
		if m.ID != "" {
			models = append(models, m)
		}
		return nil
	})
	l.Under("", err)
	ids := map[string]string{}
	for _, m := range models {
		ids[m.path()] = m.ID
	}
	l.Under("", Unique(ids))
	ordered, err := order(models)
	l.Under("", err)
	if l.Err() != nil {
		return models, l.Err()
	}
	return ordered, nil
}

// path names the model in problems: by its file, or by its id when it did not come from one.
func (m Model) path() string {
	if m.file == "" {
		return check.Key("", m.ID)
	}
	return check.Key("", m.file)
}

// parseModel reads one file. The id is empty when the file name gives none.
func parseModel(file, content string) (Model, error) {
	var l check.List
	m := Model{file: file, Name: strings.TrimSuffix(path.Base(file), ".sql")}
	named := check.List{}
	if folder := path.Dir(file); folder == "." {
		named.Add("", "the file lies in no folder, so it has no domain", file, "<domain>/<name>.sql")
	} else {
		m.Domain = path.Base(folder)
		checkName(&named, "folder", m.Domain, namePattern, nameAllowed)
	}
	checkName(&named, "name", m.Name, namePattern, nameAllowed)
	if named.Err() == nil {
		m.ID = m.Domain + "." + m.Name
	}
	l.Under("", named.Err())

	var query string
	m.Doc, query = leadingComment(content)
	checkText(&l, "comment", m.Doc, tableDescriptionLimit, true)
	text := scanSQL(query, spark)
	for _, p := range append(text.problems, text.judge()...) {
		l.Add("", p, nil, "")
	}
	m.SQL = text.statement()
	inputs := map[string]bool{}
	for _, t := range text.tokens {
		if t.kind == tokenRef {
			inputs[t.text] = true
		}
	}
	m.Inputs = append([]string{}, sorted(inputs)...)
	return m, l.Err()
}

// leadingComment takes the comment lines before a query for its description. Lines stay lines, so that a problem further
// down is reported where it stands.
func leadingComment(content string) (doc, query string) {
	var lines []string
	rest := strings.TrimPrefix(content, "\ufeff")
	blank := strings.Builder{}
	for rest != "" {
		line, after, found := strings.Cut(rest, "\n")
		text := strings.TrimSpace(line)
		if text != "" && !strings.HasPrefix(text, "--") {
			break
		}
		if text = strings.TrimSpace(strings.TrimLeft(text, "-")); text != "" {
			lines = append(lines, text)
		}
		if rest = after; found {
			blank.WriteByte('\n')
		}
	}
	return strings.Join(lines, " "), blank.String() + rest
}

// statement is the query without the space around it and the semicolon after it.
func (s *scanned) statement() string {
	end := len(s.source)
	if n := len(s.tokens); n > 0 && s.is(n-1, ";") {
		end = s.tokens[n-1].start
	}
	return strings.TrimSpace(s.source[:end])
}
