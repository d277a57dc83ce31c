// Package inbox decides what becomes of a landed object and writes it down: it is the only writer of new inbox records.
package inbox

import (
	"path"
	"strings"

	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Router maps an object key to the dataset whose landing prefix is the longest match.
type Router interface {
	Route(key string) (dataset string, ok bool)
}

// Partition is the inbox an object belongs to: a dataset's id, ledger.Unroutable or ledger.Ignored. Folder markers and
// control files (_SUCCESS, .DS_Store, …) are ignored wherever they lie.
func Partition(routes Router, key string) string {
	base := path.Base(key)
	if strings.HasSuffix(key, "/") || strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") {
		return ledger.Ignored
	}
	if dataset, ok := routes.Route(key); ok {
		return dataset
	}
	return ledger.Unroutable
}
