package contract

import (
	"fmt"
	"path"
	"strings"
)

// TransactionsFolder is the folder of a generation into which DMS writes the changes of all its tables, in the order of
// their commits. No schema can have the name: a schema has no dash.
const TransactionsFolder = "cdc-transactions"

// SourcePrefix is the environment variable of a source's folder in the raw bucket.
const SourcePrefix = "SOURCE_PREFIX"

// ActionSplit hands what transaction files hold to their datasets: everything that is waiting, or one object.
const ActionSplit = "split"

// UnsplitTransactions counts transaction files of which a record could not be handed to a dataset.
const UnsplitTransactions = "UnsplitTransactions"

// TransactionsPrefix is where transaction files land whose records belong to a landing of a replication,
// <source>/g<generation>/<schema>/<table>/.
func TransactionsPrefix(landing string) string {
	return path.Dir(path.Dir(strings.TrimSuffix(landing, "/"))) + "/" + TransactionsFolder + "/"
}

// TableLanding is where the records of a table land that a transaction file below prefix holds.
func TableLanding(prefix, schema, table string) string {
	return strings.TrimSuffix(prefix, TransactionsFolder+"/") + schema + "/" + table + "/"
}

// TransactionPartKey names what a transaction file holds of one table: from the first byte of the part to the one after
// its last, counted over the table's records in the file. The same part of the same object version has the same name, so
// that it is written once, and parts that are cut at other places have others.
func TransactionPartKey(landing string, file ObjectID, from, to int64) string {
	base := strings.TrimSuffix(path.Base(file.Key), ".csv")
	return fmt.Sprintf("%s%s-%s-%012d-%012d.csv", landing, base, ObjectHash(file.Key, file.Version)[:16], from, to)
}
