package line

import "time"

// A pulse watches over one carrier. It is pure: the time comes as an argument.
type pulse struct {
	heard time.Time // when something came last
	owed  time.Time // since when the peer owes an answer; zero if it owes none
	asked time.Time // when the last ping left; zero if it was answered
	pings uint64    // how many left
	rtt   time.Duration
}

// ping notes that one leaves now, and returns its value.
func (p *pulse) ping(now time.Time) uint64 {
	p.pings++
	p.asked = now
	p.expect(now)
	return p.pings
}

// ponged takes an answer. One that was not asked for is no more than a sign of life.
func (p *pulse) ponged(value uint64, now time.Time) {
	if value == p.pings && !p.asked.IsZero() {
		p.rtt = now.Sub(p.asked)
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

// A finding is what is to be done for a carrier.
type finding byte

const (
	alive   finding = iota
	quiet           // a ping is to be sent
	expired         // it is to be given up
)

// judge tells what to do now, and when to ask again.
func (p *pulse) judge(now time.Time, silence, keepAlive time.Duration) (finding, time.Duration) {
	if p.owed.IsZero() {
		if idle := now.Sub(p.heard); idle < keepAlive {
			return alive, keepAlive - idle
		}
		return quiet, silence / 4
	}
	since := p.heard
	if p.owed.After(since) {
		since = p.owed
	}
	switch silent := now.Sub(since); {
	case silent >= silence:
		return expired, 0
	case silent >= silence/4 && p.asked.IsZero():
		return quiet, silence / 4
	default:
		return alive, max(silence/4-silent%(silence/4), time.Millisecond)
	}
}
