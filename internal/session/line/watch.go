package line

import "time"

const (
	// watchTime is how often a line looks whether it should use more carriers, or fewer.
	watchTime = 100 * time.Millisecond
	// spareTime is how long a carrier is kept that is not used.
	spareTime = 3 * time.Second
	// A change of how many carriers are used shows after four round trips, and after these times at least and at most.
	settleLeast = 500 * time.Millisecond
	settleMost  = 3 * time.Second
	// unknownBase is the round trip of a carrier that was not measured.
	unknownBase = 100 * time.Millisecond
	// muchOnWay is how many bytes have to be on their way until it is asked whether the path is too narrow for them.
	muchOnWay = 256 << 10
)

// watch has the line look after the number of its carriers, until it is idle by one. The caller holds mu.
func (l *Line) watch() {
	if !l.watching && l.config.Spread > 1 && l.err == nil {
		l.watching = true
		l.watchTimer.Reset(watchTime)
	}
}

// watched looks after the number of carriers once.
func (l *Line) watched() {
	l.mu.Lock()
	ask := l.review(time.Now())
	l.mu.Unlock()
	for range ask {
		if l.config.More != nil {
			l.config.More()
		}
	}
}

// review decides how many carriers are used, puts down those that neither end needs, and tells how many more are to be asked for.
// The caller holds mu.
func (l *Line) review(now time.Time) (ask int) {
	if l.err != nil || l.active == nil {
		l.watching = false
		return 0
	}
	others := l.beside()
	r := reading{now: now, came: l.out.acked, starved: l.starvedFor(now), have: 1 + len(others), settle: settleLeast}
	if l.fills() {
		r.starved = 0
	}
	for _, c := range append(others, l.active) {
		r.settle = max(r.settle, min(4*c.meter.base, settleMost))
		if c.used && l.several > 1 && !c.stuck && c.meter.stuck(now, &c.flight) {
			c.stuck = true
			l.out.lost(&c.flight)
		}
	}
	want := l.spread.want
	ask = l.spread.judge(r)
	if l.spread.want != want {
		l.assign(now)
	}
	l.wakeWriter()
	for _, c := range others {
		need := c.used || now.Sub(c.usedAt) < spareTime || l.spread.phase != steady
		if need != c.needs {
			c.needs, c.needDue = need, true
			c.wake.Signal()
		}
	}
	l.putDownSpares()
	if l.watching = len(others) > 0 || now.Sub(l.spread.busyAt) < idleTime; l.watching {
		l.watchTimer.Reset(watchTime)
	}
	return ask
}

// fills tells whether what is on its way is more than the path needs to be busy: then it is the path that sets the pace, although the queue
// may be empty. Who writes may wait for the peer to read before it writes more, and all that it may is in the kernel's buffer. The
// caller holds mu.
func (l *Line) fills() bool {
	base := l.active.meter.base
	if base == 0 {
		base = unknownBase
	}
	return float64(l.out.sent-l.out.acked) > l.spread.goodput()*(base+base/2+ackDelay).Seconds()
}

// putDownSpares puts down the carriers that neither end needs. The caller holds mu.
func (l *Line) putDownSpares() {
	for _, c := range l.beside() {
		if !c.needs && !c.peerNeeds && !c.needDue {
			c.leave()
		}
	}
}

// starves notes that there is nothing to send. The caller holds mu.
func (l *Line) starves() {
	if l.watching && l.starvedSince.IsZero() && !l.out.pending() {
		l.starvedSince = time.Now()
	}
}

// fed notes that there is something to send again. The caller holds mu.
func (l *Line) fed(now time.Time) {
	if !l.starvedSince.IsZero() {
		l.starved += now.Sub(l.starvedSince)
		l.starvedSince = time.Time{}
	}
}

// starvedFor is for how long there was nothing to send since it was asked last. The caller holds mu.
func (l *Line) starvedFor(now time.Time) time.Duration {
	empty := !l.starvedSince.IsZero()
	l.fed(now)
	if empty {
		l.starvedSince = now
	}
	starved := l.starved
	l.starved = 0
	return starved
}

// spreading is the use of several carriers at once.
type spreading struct {
	spread       spread // how many to use
	several      int    // how many are in use
	watching     bool   // watchTimer runs
	watchTimer   *time.Timer
	starvedSince time.Time     // when the queue ran empty; zero while it is not
	starved      time.Duration // how long it was empty before, since that was asked last
}
