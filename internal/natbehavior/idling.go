package natbehavior

import "time"

// Idling finds out how often something must be sent so that a network keeps a mapping, from connections that died silently while they
// were idle. It only ever shortens. The zero value has seen none.
type Idling struct {
	every time.Duration
	last  time.Time // when one died that counts
}

const (
	// IdleMost is how often something is sent while nothing is known: the shortest lifetimes seen are 50 s, and it shows when a
	// path has died. A network that keeps mappings for hours is no reason to ask less often.
	IdleMost = 15 * time.Second
	// idleLeast bounds what is learnt.
	idleLeast = 2 * time.Second
	// idleApart is how soon after another a connection must have died for both to have been idle for too long. What else kills a
	// silent connection, a box that is rebooted for instance, is seldom twice at work.
	idleApart = 5 * time.Minute
)

// Note takes in that a connection died which had been quiet for so long until an answer was missed, and tells whether Every is shorter now:
// by half, after two that died when they had to speak next.
func (i *Idling) Note(quiet time.Duration, now time.Time) (learnt bool) {
	every := i.Every()
	if quiet < every-every/4 || every == idleLeast {
		return false
	}
	if i.last.IsZero() || now.Sub(i.last) > idleApart {
		i.last = now
		return false
	}
	i.every, i.last = max(every/2, idleLeast), time.Time{}
	return true
}

// Every is how often something is to be sent on a connection that is idle.
func (i *Idling) Every() time.Duration {
	if i.every == 0 {
		return IdleMost
	}
	return i.every
}
