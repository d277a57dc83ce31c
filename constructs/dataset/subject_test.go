package dataset_test

import (
	"maps"
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
)

// TestSubjectVaults holds that the vaults of whoever may be erased are known, and those of nobody are not.
func TestSubjectVaults(t *testing.T) {
	of := func(name, subject string, columns ...dataset.Column) dataset.Spec {
		s := dataset.Spec{Domain: "lab", Name: name, Keys: []string{"id"}, Columns: append([]dataset.Column{{Name: "id", Type: dataset.Bigint}}, columns...)}
		if subject != "" {
			s.Subject = dataset.Subject{Name: "reader", Column: subject}
		}
		return s
	}
	text := func(name, vault string) dataset.Column {
		return dataset.Column{Name: name, Type: dataset.String, Protect: dataset.Tokenise(vault)}
	}
	specs := []dataset.Spec{
		of("a", "mail", text("mail", "mails"), text("phone", "phones")),
		of("b", "id", text("other", "mails")),
		of("c", "", text("secret", "nobodys")),
	}
	for i := range specs {
		if err := specs[i].Validate(); err != nil {
			t.Errorf("%s: %v", specs[i].Name, err)
		}
	}
	m, err := dataset.NewManifest("lake", specs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.SubjectVaults(); !maps.Equal(got, map[string]bool{"mails": true, "phones": false}) {
		t.Errorf("got %v", got)
	}
}
