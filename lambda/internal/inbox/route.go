// Package inbox decides what becomes of a landed object and writes it down: it is the only writer of new inbox records.
package inbox

import (
	"path"
	"slices"
	"strings"

	"github.com/strata-cdk/strata/constructs/dataset"
	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Partition is the inbox an object belongs to: the id of the dataset whose landing prefix is the longest match,
// ledger.Transactions for the transaction files of a replication, ledger.Failed for what a source's delivery service could
// not deliver, ledger.Unroutable or ledger.Ignored. Folder markers and control files (_SUCCESS, .DS_Store, …) are ignored
// wherever they lie, and so are files of corrections, which an operator replays.
func Partition(m *dataset.Manifest, key string) string {
	base := path.Base(key)
	if strings.HasSuffix(key, "/") || strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") {
		return ledger.Ignored
	}
	if dataset, ok := m.Route(key); ok {
		return dataset
	}
	if strings.HasPrefix(key, contract.CorrectionsFolder) {
		return ledger.Ignored
	}
	if strings.Contains(key, "/"+contract.TransactionsFolder+"/") && slices.ContainsFunc(m.Landing, func(l dataset.Landing) bool {
		return splits(m, l) && strings.HasPrefix(key, contract.TransactionsPrefix(l.Prefix))
	}) {
		return ledger.Transactions
	}
	for _, l := range m.Landing {
		source, _, _ := strings.Cut(l.Prefix, "/")
		if strings.HasPrefix(key, contract.ErrorsFolder(source+"/")) {
			return ledger.Failed
		}
	}
	return ledger.Unroutable
}

// splits tells whether a landing's dataset takes records of transaction files.
func splits(m *dataset.Manifest, l dataset.Landing) bool {
	e, ok := m.Dataset(l.Dataset)
	return ok && e.Format.Kind == dataset.KindTransactions
}
