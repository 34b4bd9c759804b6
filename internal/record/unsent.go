package record

import "time"

const (
	// unsentTime is for how long a socket may have bytes to send that it has not sent. They keep a fast connection busy while the writer is woken, and
	// what is written next waits for them.
	unsentTime = time.Millisecond
	// mostUnsent bounds them: more only pushes what is to be copied out of the processor's cache.
	mostUnsent = 4 << 20
	// rateTime is over how long it is measured how fast they go.
	rateTime = 10 * time.Millisecond
)

// unsent is how many bytes a socket may keep unsent. Whoever made the connection has set the least; if not, the kernel keeps what it likes.
type unsent struct {
	asked        bool      // whether there is a least
	least, limit int       // zero: not bounded
	took         int       // bytes taken by the socket
	since        time.Time // from then on
}

// due tells whether it is time to look how fast the socket is, now that it takes no more.
func (u *unsent) due(now time.Time) bool { return now.Sub(u.since) >= rateTime }

// adapt has the socket keep as much as its pace calls for, and tells whether that is more than before.
func (u *unsent) adapt(fd uintptr, now time.Time) (more bool) {
	if !u.asked {
		u.asked, u.least = true, unsentLimit(fd)
		u.limit = u.least
	}
	before := u.limit
	if !u.since.IsZero() && u.least > 0 {
		u.limit = nextUnsent(u.limit, u.least, u.took, now.Sub(u.since))
	}
	u.since, u.took = now, 0
	if u.limit != before {
		limitUnsent(fd, u.limit)
	}
	return u.limit > before
}

// nextUnsent is how much a socket may keep unsent that has taken so many bytes in so long. It changes by steps, since each costs a call.
func nextUnsent(before, least, took int, in time.Duration) int {
	n := min(max(least, int(float64(took)*float64(unsentTime)/float64(in))), max(least, mostUnsent))
	if n < before/2 || n > before*5/4 || n == least {
		return n
	}
	return before
}
