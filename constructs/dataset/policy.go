package dataset

// Policy says what becomes of a batch in which a rule fails.
type Policy string

const (
	// Quarantine sets the rows that break the rule aside and applies the others.
	Quarantine Policy = "quarantine"
	// Block applies nothing of the batch: it waits, blocked, until an operator replays it.
	Block Policy = "block"
	// Warn applies the batch all the same; the result says that the rule failed, and a metric counts it.
	Warn Policy = "warn"
)

// Quarantine is the rule with the policy to set rows that break it aside. It is what AtLeast, AtMost, Between, OneOf,
// Pattern, References and Satisfies do where nothing else is said.
func (r Rule) Quarantine() Rule { return r.with(Quarantine) }

// Block is the rule with the policy to apply nothing of a batch in which it fails. It is what Completeness, FreshWithin,
// Uniqueness, RowCountWithin and CustomSQL do where nothing else is said.
func (r Rule) Block() Rule { return r.with(Block) }

// Warn is the rule with the policy to tell of it when it fails, and to apply the batch.
func (r Rule) Warn() Rule { return r.with(Warn) }

// Mostly is the rule, satisfied by a batch if at least this share of its accepted rows satisfies it: above 0, below 1.
// For AtLeast, AtMost, Between, OneOf, Pattern, References and Satisfies with Block or Warn.
// Default: every row has to satisfy it.
func (r Rule) Mostly(share float64) Rule {
	r.share = &share
	return r
}

func (r Rule) with(p Policy) Rule {
	r.policy = p
	return r
}

// Policy is what becomes of a batch in which the rule fails.
func (r Rule) Policy() Policy {
	switch {
	case r.policy != "":
		return r.policy
	case r.perRow(), r.kind == kindUniqueKey:
		return Quarantine
	}
	return Block
}

// perRow tells whether the rule judges each row by itself.
func (r Rule) perRow() bool {
	switch r.kind {
	case kindRange, kindSet, kindPattern, kindReference, kindSQL:
		return true
	}
	return false
}
