package portmap

import "time"

const (
	// permanentRenewal is how often a mapping without an end is asked for again: some gateways lose it when they restart.
	permanentRenewal = 30 * time.Minute
	// minLifetime keeps a gateway that grants next to nothing from being asked all the time.
	minLifetime = 4 * time.Second
)

// A lease is a mapping in time.
type lease struct {
	since    time.Time
	lifetime time.Duration // zero: no end
	failures int           // renewals that were not answered
}

func newLease(now time.Time, lifetime time.Duration) lease {
	if lifetime > 0 {
		lifetime = max(lifetime, minLifetime)
	}
	return lease{since: now, lifetime: lifetime}
}

// renewal is when the mapping should be asked for again: at half of its life, and after each failure at half of what is left
// (RFC 6887, section 11.2.1; RFC 6886, section 3.3).
func (l lease) renewal() time.Time {
	if l.lifetime == 0 {
		return l.since.Add(permanentRenewal)
	}
	return l.since.Add(l.lifetime - l.lifetime>>min(l.failures+1, 16))
}

// over reports whether the gateway has forgotten the mapping by now.
func (l lease) over(now time.Time) bool {
	return l.lifetime > 0 && !now.Before(l.since.Add(l.lifetime))
}

// An epoch is a gateway's clock as it was seen last: the seconds since it lost its mappings. The zero value was never seen.
type epoch struct {
	seconds uint32
	at      time.Time
}

// restarted takes the next value and reports whether the gateway has lost its mappings since the last one.
//
// The rule is that of RFC 6887, section 8.5: both clocks may differ by a sixteenth and two seconds, and the gateway's must not go back
// by more than one. That of RFC 6886, section 3.6 (an eighth and two seconds, backwards only), is laxer; what a
// NAT-PMP gateway is wrongly suspected of costs one more request.
func (e *epoch) restarted(now time.Time, seconds uint32) bool {
	last := *e
	*e = epoch{seconds, now}
	if last.at.IsZero() {
		return false
	}
	if uint64(seconds)+1 < uint64(last.seconds) {
		return true
	}
	ours := now.Sub(last.at)
	theirs := time.Duration(int64(seconds)-int64(last.seconds)) * time.Second
	return ours+2*time.Second < theirs-theirs/16 || theirs+2*time.Second < ours-ours/16
}
