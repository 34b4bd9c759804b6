package line

import (
	"context"
	"time"
)

// Changed receives a value after the carrier in use has changed or became late, or the line has ended. Changes that nobody has
// seen yet are one.
func (l *Line) Changed() <-chan struct{} { return l.changed }

// Poke makes Changed receive a value, for an owner that has taken one too early.
func (l *Line) Poke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify()
}

// notify tells of a change. The caller holds mu.
func (l *Line) notify() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Carrier returns the carrier in use; false while the line is suspended.
func (l *Line) Carrier() (Carrier, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active == nil {
		return Carrier{}, false
	}
	return l.active.Carrier, true
}

// Carriers returns all carriers that are not lost, those that are being put down as well.
func (l *Line) Carriers() []Carrier {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Carrier, len(l.carriers))
	for i, c := range l.carriers {
		all[i] = c.Carrier
	}
	return all
}

// Late tells whether an answer is overdue by the carrier in use: nothing has come for longer than the path has taken lately, by 0.4 s at
// least and a quarter of Config.Silence at most. It may be a loss, or the path may be dead: the line waits on until Config.Silence is
// over, and the owner may look for another carrier meanwhile.
func (l *Line) Late() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active != nil && l.active.pulse.late
}

// Ask has the peer show on every carrier that it is there. It is for an owner that has reason to think that paths have changed: the
// machine has slept, or is in another network. What does not answer becomes late.
func (l *Line) Ask() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	for _, c := range l.carriers {
		if c.fate == nil && !c.leaving && !c.doubtful {
			c.pulse.owed, c.pulse.late = time.Now(), false
			c.ask()
			c.again(c.pulse.patience(c.silence()))
		}
	}
}

// SetKeepAlive changes Config.KeepAlive.
func (l *Line) SetKeepAlive(every time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.config.KeepAlive = every
	for _, c := range l.carriers {
		if !c.leaving && c.pulse.owed.IsZero() {
			c.again(0) // and looks when to ask next
		}
	}
}

// Lost tells what became of the last carrier that was lost; nil if none was.
func (l *Line) Lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Prove has the carriers show within a time that they work, and waits for it. Until then nothing is sent by them, and those that do
// not are given up. It is for an owner that has reason to think that the peer has lost them.
func (l *Line) Prove(ctx context.Context, within time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	var asked []*carrier
	for _, c := range l.carriers {
		if !c.doubtful || time.Until(c.tickAt) > within { // or else it has to already, and sooner
			c.doubt(within)
		}
		asked = append(asked, c)
	}
	l.choose()
	l.settle(ctx, asked)
}

// Settle waits until no carrier has to show any more that it works: each is in use again, or was given up, and what was given up is closed, so
// that another connection can use its ports.
func (l *Line) Settle(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(ctx, l.carriers)
}

// settle is Settle for some carriers. The caller holds mu.
func (l *Line) settle(ctx context.Context, all []*carrier) {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.proven.Broadcast()
	})
	defer stop()
	for _, c := range all {
		for c.doubtful && c.fate == nil && ctx.Err() == nil {
			l.proven.Wait()
		}
	}
	for l.closing > 0 && ctx.Err() == nil {
		l.proven.Wait()
	}
}

// Answers has the peer show by the carrier in use that it is there, and tells whether it does within a time. Unlike with Prove the carrier
// is in use meanwhile, and stays.
func (l *Line) Answers(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.active
	if c == nil || l.err != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.proven.Broadcast()
	})
	defer stop()
	before := c.signs
	c.listeners++
	defer func() { c.listeners-- }()
	c.ask()
	for c.fate == nil && c.signs == before && ctx.Err() == nil {
		l.proven.Wait()
	}
	return c.signs != before
}

// Fail ends the line with an error of the owner's.
func (l *Line) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(err)
}

// Stats are figures of a line.
type Stats struct {
	Sent, Received uint64        // bytes of the stream that left at least once, and that came
	Acknowledged   uint64        // bytes of the stream that the peer is known to have
	Repeated       uint64        // bytes that left again because their carrier was lost
	Unacknowledged int           // bytes that are kept because the peer may not have them
	Unread         int           // bytes that came and were not read, out of order ones not counted
	Carriers       int           // data goes out by so many now; none while suspended
	RTT            time.Duration // of the last ping on the carrier in use, or that was; zero if not measured
}

// Stats returns the figures of the line.
func (l *Line) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Sent: l.out.sent, Received: l.in.next, Acknowledged: l.out.acked, Repeated: l.out.repeated,
		Carriers: l.several, Unacknowledged: int(l.out.wrote - l.out.acked), Unread: int(l.in.next - l.in.read),
	}
	s.RTT = l.lostRTT
	if l.active != nil {
		s.RTT = l.active.pulse.rtt
	}
	return s
}
