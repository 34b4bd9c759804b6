package line

import "time"

const (
	// slack is how long a carrier may be busy with what is on its way beyond its round trip: what acknowledgments wait, what a
	// queue in the network holds, and stalls of the machines.
	slack = 100 * time.Millisecond
	// leastPiece is the least that a carrier beside others takes at once, so that the receiver need not hold many pieces.
	leastPiece = 32 << 10
	// firstWay may be on its way by a carrier that is not measured yet, and leastWay by any.
	firstWay = 4 * leastPiece
	leastWay = 2 * leastPiece
	// pieceTime is for how long a carrier is busy with what it takes at once.
	pieceTime = 10 * time.Millisecond
	// A carrier that needs longer than slowTime for its least piece is given none while there is a faster one, for slowAgain.
	slowTime  = 500 * time.Millisecond
	slowAgain = 10 * time.Second
	// meterTime is the least time over which a rate is taken.
	meterTime = 50 * time.Millisecond
	// baseAge is after how long without a round trip near the least one that one is forgotten, as that of another route.
	baseAge = 30 * time.Second
)

// A meter measures how fast one carrier brings data, from what left by it and what the peer says has come. It is pure: the time
// comes as an argument.
type meter struct {
	base  time.Duration // least round trip; zero if none was measured
	last  time.Duration // the last one, with all that waits on the way there and back
	rate  float64       // bytes a second; zero if not measured
	moved time.Time     // when the peer said last that more has come, or when all before had

	mark     uint64    // bytes sent when
	markedAt time.Time // a measurement of the round trip began; zero if none is under way

	from    time.Time // when the measurement of the rate began; zero while nothing is on its way
	fromHas uint64    // and how much had come

	recent   time.Duration // the least round trip since
	recentAt time.Time
}

// left notes that data goes out now, after which the carrier has sent so many bytes.
func (m *meter) left(now time.Time, f *flight, n int) {
	if f.way() == n { // nothing was on its way before
		m.moved, m.from, m.fromHas = now, now, f.came
	}
	if m.markedAt.IsZero() {
		m.mark, m.markedAt = f.sent, now
	}
}

// arrived notes that the peer has told of more.
func (m *meter) arrived(now time.Time, f *flight, several bool) {
	m.moved = now
	if !m.markedAt.IsZero() && f.came >= m.mark {
		m.roundTrip(now, now.Sub(m.markedAt), several)
		m.markedAt = time.Time{}
	}
	if took := now.Sub(m.from); took >= max(meterTime, min(m.base, time.Second)) {
		sample := float64(f.came-m.fromHas) / took.Seconds()
		m.rate = max(sample, 0.8*m.rate+0.2*sample)
		m.from, m.fromHas = now, f.came
	}
	if f.way() == 0 {
		m.markedAt = time.Time{}
	}
}

// roundTrip takes a measurement. With one carrier in use the kernel's buffer is part of it, so that only the least counts; with several
// that buffer is kept short, and the least of some time ago may be another route's.
func (m *meter) roundTrip(now time.Time, took time.Duration, several bool) {
	took = max(took, time.Microsecond)
	m.last = took
	if m.base == 0 || took < m.base {
		m.base = took
	}
	if !several || took < m.base*5/4 {
		m.recent, m.recentAt = 0, now
		return
	}
	if m.recent == 0 || took < m.recent {
		m.recent = took
	}
	if now.Sub(m.recentAt) > baseAge {
		m.base, m.recent, m.recentAt = m.recent, 0, now
	}
}

// allowance is how many bytes may be on their way by the carrier while others are in use: twice what its rate needs. What is on
// its way by a slow one is what a fast one may have to wait for.
func (m *meter) allowance() int {
	if m.rate == 0 {
		return firstWay
	}
	return max(leastWay, int(2*m.rate*(m.base+slack).Seconds()))
}

// piece is how many bytes the carrier takes at once while others are in use.
func (m *meter) piece(buffer int) int {
	n := int(m.rate*pieceTime.Seconds()) &^ (1<<14 - 1) // whole TLS records
	return min(max(n, leastPiece, buffer>>10), batch)
}

// slow tells whether the carrier needs so long for its least piece that what is behind it had better not wait. It is tried again now and
// then.
func (m *meter) slow(now time.Time) bool {
	return m.rate > 0 && leastPiece/m.rate > slowTime.Seconds() && now.Sub(m.moved) < slowAgain
}

// stuck tells whether what is on its way has stood still for so long that another carrier should bring it. The peer's word waits behind
// what the peer sends.
func (m *meter) stuck(now time.Time, f *flight) bool {
	return f.way() > 0 && now.Sub(m.moved) > 3*(min(max(m.base, m.last), time.Second)+slack)
}
