package lambdatest

import (
	"testing"

	"github.com/strata-cdk/strata/constructs/dataset"
)

// Files of a DMS task of somebody's own wait for no load: nothing would ever say that it is complete.
func TestChangesWithoutAReplicationAreNotHeld(t *testing.T) {
	w := newWorld(t)
	p := newPipeline(w)
	one := 1
	spec := dataset.Spec{Domain: "erp", Name: "parts", Load: dataset.CDC, Keys: []string{"id"}, Format: dataset.DMSCSV{},
		Columns: []dataset.Column{{Name: "id", Type: dataset.Bigint}}}
	w.deploy([]dataset.Spec{spec}, []dataset.Landing{{Prefix: "files/erp/parts/", Dataset: "erp.parts", Source: "Files", Generation: &one}})
	keys := []string{"files/erp/parts/20260101-120000000.csv", "files/erp/parts/LOAD00000001.csv"}
	w.land(keys...)
	if answer := w.ask(`{"action": "drain"}`); len(answer.Held) > 0 || len(answer.Runs) != 1 {
		t.Errorf("answer = %+v, want one run and nothing held", answer)
	}
	p.quiet()
	p.settled(asSet(keys))
}
