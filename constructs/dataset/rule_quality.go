package dataset

import "time"

const (
	kindCompleteness = "completeness"
	kindFreshness    = "freshness"
	kindRowCount     = "row_count"
	kindSQL          = "sql"
)

// Completeness accepts a batch if at least this share of its accepted rows has a value in the column, NULL being none:
// above 0, at most 1. A batch without rows has nothing to lack. Blocks unless said otherwise. To quarantine rows without
// a value, make the column Required.
func Completeness(share float64) Rule { return Rule{kind: kindCompleteness, share: &share} }

// FreshWithin accepts a batch if the newest value of the column is no older than that when the batch was claimed: whole
// seconds, at least one minute. A date stands for its last moment, in UTC. Rows that are all NULL are not fresh; a batch
// without rows is not judged. For dates and timestamps that are stored. Blocks unless said otherwise.
func FreshWithin(age time.Duration) Rule { return Rule{kind: kindFreshness, within: age} }

// RowCountWithin accepts a batch if it has as many rows as the mean of the last applied batches of the dataset, give or
// take the factor: with 2, from half of them to twice as many. Factor is above 1, batches from 1 to 100. Until the
// dataset has so many batches nothing is judged; a full load of a replication is neither judged nor counted. Blocks
// unless said otherwise.
func RowCountWithin(factor float64, batches int) Rule {
	return Rule{kind: kindRowCount, factor: factor, batches: batches}
}

// Satisfies accepts rows for which the condition does not come out false: an expression of Spark SQL over the declared
// columns, as they are before protection, such as "net + vat = total". NULL is not false. Name tells it from others in
// reasons and results, and is unique in the dataset. [a-z][a-z0-9_]{0,62}. Of a delete nothing is judged.
func Satisfies(name, condition string) Rule {
	return Rule{kind: kindSQL, name: name, expression: condition}
}
