package natbehavior

import "time"

// Aging finds out whether a network ends mappings at an age, however busy they are, as some carriers' NATs do. It learns from connections
// that died silently. The zero value has seen none.
type Aging struct {
	deaths []Death // newest last
	limit  time.Duration
}

// A Death is the silent end of a connection: its mapping carried something at the age Heard, and did not at the age Missed.
type Death struct{ Heard, Missed time.Duration }

const (
	// agesKept is how many deaths are compared: other causes come between.
	agesKept = 4
	// agingLeast is the least age that counts. What dies younger has not died of age.
	agingLeast = 3 * time.Second
)

// Note takes in a death, and tells whether the age at which mappings end is known now and was not before, or is another: two of
// the last deaths were at the same age.
func (a *Aging) Note(d Death) (learnt bool) {
	if d.Heard < agingLeast || d.Missed < d.Heard {
		return false
	}
	defer func() {
		a.deaths = append(a.deaths, d)
		a.deaths = a.deaths[max(0, len(a.deaths)-agesKept):]
	}()
	for _, other := range a.deaths {
		if d.matches(other) {
			limit := min(d.Heard, other.Heard)
			learnt = limit != a.limit
			a.limit = limit
			return learnt
		}
	}
	return false
}

// matches tells whether two deaths may have been at the same age. The age of one that was seen by the way is not known well enough to tell.
func (d Death) matches(other Death) bool {
	near := func(d, other Death) bool { return other.Heard <= d.Missed+d.Missed/16 }
	sharp := func(d Death) bool { return d.Missed-d.Heard <= d.Heard/4 }
	return sharp(d) && sharp(other) && near(d, other) && near(other, d)
}

// Survived takes in that a mapping of that age works, and tells whether that disproves what was learnt.
func (a *Aging) Survived(age time.Duration) (disproved bool) {
	kept := a.deaths[:0]
	for _, d := range a.deaths {
		if d.Missed+d.Missed/16 >= age {
			kept = append(kept, d)
		}
	}
	a.deaths = kept
	if a.limit == 0 || age <= a.limit+a.limit/4 {
		return false
	}
	a.limit = 0
	return true
}

// Limit is the age at which mappings end; zero if none is known.
func (a *Aging) Limit() time.Duration { return a.limit }
