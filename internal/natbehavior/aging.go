package natbehavior

import "time"

// Aging finds out whether a network ends mappings at an age, however busy they are, as some carriers' NATs do. It learns from connections
// that died silently. The zero value has seen none.
type Aging struct {
	deaths []Death // of different events, newest last
	limit  time.Duration
}

// A Death is the silent end of a connection: its mapping was made at Born, carried something at Heard, and did not at Missed.
type Death struct{ Born, Heard, Missed time.Time }

// youngest and oldest are the ages between which the mapping ended.
func (d Death) youngest() time.Duration { return d.Heard.Sub(d.Born) }
func (d Death) oldest() time.Duration   { return d.Missed.Sub(d.Born) }

// unsure is how long between the two.
func (d Death) unsure() time.Duration { return d.Missed.Sub(d.Heard) }

const (
	// agesKept is how many deaths are compared: other causes come between.
	agesKept = 4
	// agingLeast is the least age that counts. What dies younger has not died of age.
	agingLeast = 3 * time.Second
	// eventApart is how far apart two deaths are that had causes of their own.
	eventApart = time.Second
	// looksMost bounds how often a mapping is looked at.
	looksMost = 8
)

// Note takes in a death, and tells whether the age at which mappings end is known now and was not before, or is another by more than an
// eighth: two of the last deaths, of two events, were at the same age.
func (a *Aging) Note(d Death) (learnt bool) {
	if d.Born.IsZero() || d.youngest() < agingLeast || d.Missed.Before(d.Heard) {
		return false
	}
	d = a.keep(d)
	for _, other := range a.deaths {
		if other.isOtherThan(d) && d.matches(other) {
			limit := min(d.youngest(), other.youngest())
			learnt = a.limit == 0 || (limit-a.limit).Abs() > a.limit/8
			a.limit = limit
			return learnt
		}
	}
	return false
}

// keep adds a death, and returns the one that stands for its event: of several connections that end at one time, that of which the age is known best.
func (a *Aging) keep(d Death) Death {
	for i, other := range a.deaths {
		if !other.isOtherThan(d) {
			if d.unsure() < other.unsure() {
				a.deaths[i] = d
			}
			return a.deaths[i]
		}
	}
	a.deaths = append(a.deaths, d)
	a.deaths = a.deaths[max(0, len(a.deaths)-agesKept):]
	return d
}

// isOtherThan tells whether two deaths were not of one event, as when a NAT is rebooted, or ends a mapping that several connections share.
func (d Death) isOtherThan(other Death) bool {
	return d.Heard.After(other.Missed.Add(eventApart)) || other.Heard.After(d.Missed.Add(eventApart))
}

// matches tells whether two deaths may have been at the same age. That of one must be known to a quarter, and of the other to a half: an
// idle connection dies between two pings.
func (d Death) matches(other Death) bool {
	near := func(d, other Death) bool { return other.youngest() <= d.oldest()+d.oldest()/16 }
	within := func(d Death, parts time.Duration) bool { return d.unsure() <= d.youngest()/parts }
	known := within(d, 4) && within(other, 2) || within(d, 2) && within(other, 4)
	return known && near(d, other) && near(other, d)
}

// Survived takes in that a mapping of that age works, and tells whether that disproves what was learnt.
func (a *Aging) Survived(age time.Duration) (disproved bool) {
	kept := a.deaths[:0]
	for _, d := range a.deaths {
		if d.oldest()+d.oldest()/16 >= age {
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

// Looks are the ages, ascending, at which it is worth the while to see whether a mapping works still: from where it should have ended up to where
// it is shown that it does not, or, while no age is known, around that of the last death. There are at most 8, and none without a death.
func (a *Aging) Looks() []time.Duration {
	from, to := a.limit, a.limit+a.limit*3/10
	if a.limit == 0 {
		if len(a.deaths) == 0 {
			return nil
		}
		last := a.deaths[len(a.deaths)-1]
		from, to = last.youngest(), last.oldest()+last.oldest()/16
	}
	looks := make([]time.Duration, looksMost)
	for i := range looks {
		looks[i] = from + (to-from)*time.Duration(i)/(looksMost-1)
	}
	return looks
}
