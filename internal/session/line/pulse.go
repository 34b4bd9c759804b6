package line

import "time"

// A pulse watches over one carrier. It is pure: the time comes as an argument.
type pulse struct {
	heard time.Time // when something came last
	owed  time.Time // since when the peer owes an answer; zero if it owes none
	asked time.Time // when the last ping left; zero if it was answered
	pings uint64    // how many left
	rtt   time.Duration
	least time.Duration // the least round trip since that was asked for last; zero: none
	timed time.Time     // when the last ping left

	flows  bool          // data has come since the last ping
	late   bool          // an answer is, and its lateness was told
	known  bool          // an answer has come
	worst  time.Duration // the longest wait for an answer, lately: it fades
	fadeAt time.Time     // when it fades next
}

const (
	// lateLeast is how long an answer may always take: a kernel sends what is lost again after 200 ms and a round trip.
	lateLeast = 400 * time.Millisecond
	// fade is how long the longest wait counts in full; then it counts half. What is lost in a row is sent again after twice as long
	// each time, so that a path that loses some of what it carries is given longer.
	fade = 30 * time.Second
	// remeasure is how old the round trip of a carrier may be that carries data: then a ping goes along.
	remeasure = 5 * time.Second
	// pause is how long nothing may come after data until the peer is asked whether it has paused, or the path has died: who only
	// receives is owed nothing, and would not notice.
	pause = time.Second
)

// hear notes that something came.
func (p *pulse) hear(now time.Time) {
	if !p.owed.IsZero() {
		p.waited(now, now.Sub(p.waiting()))
	}
	p.heard, p.late = now, false
}

// waited notes how long an answer took.
func (p *pulse) waited(now time.Time, d time.Duration) {
	for ; p.worst > 0 && !now.Before(p.fadeAt); p.fadeAt = p.fadeAt.Add(fade) {
		p.worst /= 2
	}
	p.known = true
	if d >= p.worst {
		p.worst, p.fadeAt = d, now.Add(fade)
	}
}

// waiting is since when an answer is waited for, if one is owed.
func (p *pulse) waiting() time.Time {
	if p.owed.After(p.heard) {
		return p.owed
	}
	return p.heard
}

// patience is how long an answer may take until it is late: longer than twice any of late, and than three round trips. Until
// something is known of the path, and at most, it is a quarter of silence.
func (p *pulse) patience(silence time.Duration) time.Duration {
	most := silence / 4
	if !p.known {
		return most
	}
	return min(max(lateLeast, 2*p.worst+lateLeast/4, 3*p.rtt+lateLeast/4), most)
}

// flow notes that data came, and tells whether it is the first since the last ping.
func (p *pulse) flow() (first bool) {
	first, p.flows = !p.flows, true
	return first
}

// ping notes that one leaves now, and returns its value.
func (p *pulse) ping(now time.Time) uint64 {
	p.pings++
	p.asked, p.timed = now, now
	if now.Sub(p.heard) >= pause { // or else it goes along with data, which may pause yet
		p.flows = false
	}
	p.expect(now)
	return p.pings
}

// ponged takes an answer. One that was not asked for is no more than a sign of life.
func (p *pulse) ponged(value uint64, now time.Time) {
	if value == p.pings && !p.asked.IsZero() {
		p.rtt = max(now.Sub(p.asked), time.Microsecond)
		if p.least == 0 || p.rtt < p.least {
			p.least = p.rtt
		}
		p.asked = time.Time{}
	}
}

// expect notes that something left that is to be answered, and tells whether nothing else was.
func (p *pulse) expect(now time.Time) (first bool) {
	if !p.owed.IsZero() {
		return false
	}
	p.owed = now
	return true
}

// answered notes that all data is acknowledged.
func (p *pulse) answered() {
	if p.asked.IsZero() {
		p.owed = time.Time{}
	}
}

// isOld tells whether the round trip was measured too long ago for a carrier that is in use.
func (p *pulse) isOld(now time.Time) bool { return p.asked.IsZero() && now.Sub(p.timed) >= remeasure }

// A finding is what is to be done for a carrier.
type finding byte

const (
	alive   finding = iota
	idle            // a ping is to be sent
	overdue         // an answer is late: it is to be asked for, if it was not
	expired         // the carrier is to be given up
)

// judge tells what to do now, and when to ask again.
func (p *pulse) judge(now time.Time, silence, keepAlive time.Duration) (finding, time.Duration) {
	patience := p.patience(silence)
	if p.owed.IsZero() {
		most := keepAlive
		if p.flows {
			most = min(most, pause)
		}
		if quiet := now.Sub(p.heard); quiet < most {
			return alive, most - quiet
		}
		return idle, patience
	}
	switch silent := now.Sub(p.waiting()); {
	case silent >= silence:
		return expired, 0
	case p.late:
		return alive, max(silence-silent, time.Millisecond)
	case silent >= patience:
		p.late = true
		return overdue, max(silence-silent, time.Millisecond)
	default:
		return alive, max(patience-silent, time.Millisecond)
	}
}
