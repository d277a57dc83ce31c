package ledger

import "context"

// States of a lease.
const (
	LeaseFree = "free"
	LeaseHeld = "held"
)

// Lease is the right to change a dataset's table. The token rises with every change of hands, so that a late writer is
// told from the holder.
type Lease struct {
	State   string
	Run     string
	Token   int64
	Expires int64
}

// Lease reads a lease; one that was never taken is free.
func (t *Table) Lease(ctx context.Context, dataset string) (Lease, error) {
	item, err := t.get(ctx, LeaseKey(dataset))
	if IsNotFound(err) {
		return Lease{State: LeaseFree}, nil
	}
	if err != nil {
		return Lease{}, err
	}
	return Lease{State: item.text("state"), Run: item.text("run"), Token: item.number("token"), Expires: item.number("expires")}, nil
}

const heldBy = "#state = :held AND #run = :holder AND #token = :token"

func holder(run string, token int64) Values {
	return Values{"held": LeaseHeld, "holder": run, "token": token}
}

// CheckLease holds while run has the lease under this token.
func CheckLease(dataset, run string, token int64) Write {
	return Check(LeaseKey(dataset), heldBy, holder(run, token))
}

// TakeLease takes a lease that is as seen.
func TakeLease(dataset, run string, seen Lease, expires int64) Write {
	values := holder(run, seen.Token+1)
	values["expires"] = expires
	cond := "attribute_not_exists(#pk)"
	if seen.Token > 0 {
		cond = "#state = :seen_state AND #token = :seen_token AND #expires = :seen_expires"
		values["seen_state"], values["seen_token"], values["seen_expires"] = seen.State, seen.Token, seen.Expires
	}
	return Update(LeaseKey(dataset), "SET #state = :held, #run = :holder, #token = :token, #expires = :expires", cond, values)
}

// HandLease gives a lease from one holder to another under the same token, or renews it if they are the same.
func HandLease(dataset, from, to string, token, expires int64) Write {
	values := holder(from, token)
	values["to"], values["expires"] = to, expires
	return Update(LeaseKey(dataset), "SET #run = :to, #expires = :expires", heldBy, values)
}

// FreeLease releases a lease that run holds. The token stays, since the next holder's must be higher.
func FreeLease(dataset, run string, token int64) Write {
	values := holder(run, token)
	values["free"] = LeaseFree
	return Update(LeaseKey(dataset), "SET #state = :free", heldBy, values)
}
