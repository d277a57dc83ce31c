package lambdatest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/strata-cdk/strata/lambda/contract"
)

// TestWhereTheManifestIs holds that a job without batches is told where the current manifest is kept, and that nothing
// else happens: what waits is not claimed.
func TestWhereTheManifestIs(t *testing.T) {
	w := newWorld(t, "sales.orders")
	w.land(orders("a.csv")...)
	for range 2 {
		answer := w.ask(`{"action": "manifest"}`)
		if answer.Declared == nil || len(answer.Runs) != 0 || len(answer.Manifest) != 64 {
			t.Fatalf("answer = %+v", answer)
		}
		if !strings.HasPrefix(answer.ManifestURI, "s3://") || !strings.HasSuffix(answer.ManifestURI, "/"+contract.ManifestKeyOf(answer.Manifest)) {
			t.Errorf("manifest_uri = %s", answer.ManifestURI)
		}
	}
	if got := w.ask(`{"action": "drain"}`); got.Declared != nil || len(got.Runs) != 1 {
		t.Errorf("drain = %+v", got)
	}
	if _, err := w.dispatch(&gate{}).Handle(t.Context(), json.RawMessage(`{"action": "manifest", "batch": "a"}`)); err == nil || !strings.Contains(err.Error(), "manifest takes no other field") {
		t.Errorf("a field that means nothing: %v", err)
	}
}
