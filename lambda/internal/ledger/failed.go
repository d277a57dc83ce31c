package ledger

import (
	"context"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
)

// stateOf is the state in which objects enter a partition that belongs to no dataset.
func stateOf(partition string) string { return strings.TrimPrefix(partition, "!") }

// Undelivered calls each, by hash, for the objects of a partition (Failed or Unroutable) below prefix whose records are
// still to be put back into their stream, until it returns false.
func (t *Table) Undelivered(ctx context.Context, partition, prefix string, each func(contract.Object) (bool, error)) error {
	return t.query(ctx, "inbox#"+partition, "object#", func(i Item) (bool, error) {
		if i.text("state") != stateOf(partition) || !strings.HasPrefix(i.text("key"), prefix) {
			return true, nil
		}
		return each(i.object())
	})
}

// SetRedelivered says that the records of an object are back in their stream. It is refused if that has been said
// already.
func SetRedelivered(partition string, o contract.Object, records int64, now string) Write {
	return Update(ObjectKey(partition, contract.ObjectHash(o.Key, o.Version)),
		"SET #state = :redelivered, #records = :records, #redelivered_at = :now REMOVE #reason", "#state = :before",
		Values{"redelivered": ObjectRedelivered, "before": stateOf(partition), "records": records, "now": now})
}

// SetNotRedelivered notes why the records of an object could not be put back.
func SetNotRedelivered(partition string, o contract.Object, reason string) Write {
	return Update(ObjectKey(partition, contract.ObjectHash(o.Key, o.Version)), "SET #reason = :reason", "#state = :before",
		Values{"reason": reason, "before": stateOf(partition)})
}
