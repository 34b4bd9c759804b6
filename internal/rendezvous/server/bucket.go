package server

import "time"

// A bucket bounds a rate (token bucket) in 12 bytes, since every connection has one; rate.Limiter takes 80 and a lock.
// It begins full.
type bucket struct {
	used float32       // tokens taken and not come back
	at   time.Duration // when used was so, since the server started
}

// take takes a token at now, or tells how long it takes until there is one. Tokens come back at rate a second, up to burst.
func (b *bucket) take(now time.Duration, rate, burst float64) (wait time.Duration, ok bool) {
	used := max(0, float64(b.used)-rate*(now-b.at).Seconds())
	b.at = now
	if used+1 > burst {
		b.used = float32(used)
		return time.Duration((used+1-burst)/rate*float64(time.Second)) + time.Millisecond, false // rounded up
	}
	b.used = float32(used + 1)
	return 0, true
}

// full tells whether b is as new at now, so that nothing is lost by forgetting it.
func (b *bucket) full(now time.Duration, rate float64) bool {
	return float64(b.used) <= rate*(now-b.at).Seconds()
}
