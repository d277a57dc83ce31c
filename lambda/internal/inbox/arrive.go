package inbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/strata-cdk/strata/lambda/contract"
	"github.com/strata-cdk/strata/lambda/internal/ledger"
)

// Arrival is an object that is said to have landed.
type Arrival struct {
	contract.Object
	EventTime string
	// Partition is what Partition said.
	Partition string
}

// Hash is the ledger's name for the object.
func (a Arrival) Hash() string { return contract.ObjectHash(a.Key, a.Version) }

// Writer applies transactions.
type Writer interface {
	Apply(ctx context.Context, writes ...ledger.Write) error
}

// perTransaction is how many arrivals of a dataset fit a transaction: each is an object, its pointer and the record it
// may have among the unroutable; the dirty mark is one more.
const perTransaction = (ledger.TransactLimit - 1) / 3

// routed tells whether the partition is a dataset's inbox.
func routed(partition string) bool { return !strings.HasPrefix(partition, "!") }

// waits tells whether something is still to be done with the partition's arrivals.
func waits(partition string) bool { return routed(partition) || partition == ledger.Transactions }

// Arrive records arrivals of one partition that the inbox does not hold, and returns the hashes of those it recorded.
// An arrival that is held already changes nothing. Object, pointer and dirty mark are written in one transaction, and
// an object that was unroutable leaves that partition in the same one.
func Arrive(ctx context.Context, w Writer, partition string, arrivals []Arrival) (map[string]bool, error) {
	recorded := map[string]bool{}
	left := distinct(arrivals)
	for len(left) > 0 {
		chunk := left[:min(perTransaction, len(left))]
		writes, perArrival := arrivalWrites(partition, chunk)
		err := w.Apply(ctx, writes...)
		if failed, refused := ledger.FailedConditions(err); refused {
			held := make([]int, len(failed))
			for i, f := range failed {
				held[i] = f / perArrival
			}
			left = append(ledger.Drop(chunk, held), left[len(chunk):]...)
			continue
		}
		if err != nil {
			return recorded, fmt.Errorf("record %d arrivals of %s: %w", len(chunk), partition, err)
		}
		for _, a := range chunk {
			recorded[a.Hash()] = true
		}
		left = left[len(chunk):]
	}
	return recorded, nil
}

// arrivalWrites returns the writes of each arrival in turn, the same number for each; only the first has a condition.
func arrivalWrites(partition string, arrivals []Arrival) (writes []ledger.Write, perArrival int) {
	for _, a := range arrivals {
		key, state := ledger.ObjectKey(partition, a.Hash()), ledger.ObjectPending
		if !waits(partition) {
			state = partition[1:]
		}
		writes = append(writes, ledger.Create(key, ledger.ObjectValues(a.Object, state, a.EventTime)))
		if waits(partition) {
			writes = append(writes, ledger.PutPending(partition, a.Object))
		}
		if partition != ledger.Unroutable && partition != ledger.Ignored {
			writes = append(writes, ledger.Delete(ledger.ObjectKey(ledger.Unroutable, a.Hash()), "", nil))
		}
	}
	perArrival = len(writes) / len(arrivals)
	if routed(partition) {
		writes = append(writes, ledger.MarkDirty(partition, len(arrivals)))
	}
	return writes, perArrival
}

func distinct(arrivals []Arrival) []Arrival {
	seen := map[string]bool{}
	var out []Arrival
	for _, a := range arrivals {
		if h := a.Hash(); !seen[h] {
			seen[h] = true
			out = append(out, a)
		}
	}
	return out
}
