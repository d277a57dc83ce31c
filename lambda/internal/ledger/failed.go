package ledger

import (
	"context"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
)

// FailedDeliveries calls each, by hash, for the objects under prefix whose records are still to be put back into their
// stream, until it returns false.
func (t *Table) FailedDeliveries(ctx context.Context, prefix string, each func(contract.Object) (bool, error)) error {
	return t.query(ctx, "inbox#"+Failed, "object#", func(i Item) (bool, error) {
		if i.text("state") != ObjectFailed || !strings.HasPrefix(i.text("key"), prefix) {
			return true, nil
		}
		return each(i.object())
	})
}

// SetRedelivered says that the records of a failed delivery are back in their stream. It is refused if that has been
// said already.
func SetRedelivered(o contract.Object, records int64, now string) Write {
	return Update(ObjectKey(Failed, contract.ObjectHash(o.Key, o.Version)),
		"SET #state = :redelivered, #records = :records, #redelivered_at = :now REMOVE #reason", "#state = :failed",
		Values{"redelivered": ObjectRedelivered, "failed": ObjectFailed, "records": records, "now": now})
}

// SetNotRedelivered notes why the records of a failed delivery could not be put back.
func SetNotRedelivered(o contract.Object, reason string) Write {
	return Update(ObjectKey(Failed, contract.ObjectHash(o.Key, o.Version)), "SET #reason = :reason", "#state = :failed",
		Values{"reason": reason, "failed": ObjectFailed})
}
