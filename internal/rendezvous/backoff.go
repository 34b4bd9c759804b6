package rendezvous

import "time"

const (
	backoffFirst = 500 * time.Millisecond // the first wait is a random part of it
	backoffMax   = 30 * time.Second
	// steadyAfter is how long a connection must have lasted for the count of failures to begin anew.
	steadyAfter = 10 * time.Second
	// spreadMax bounds what a server can ask for: no node stays away longer than it would after many failures.
	spreadMax = time.Hour
	// retryMax bounds a server's retry_after in the same way.
	retryMax = 5 * time.Minute
)

// A backoff decides how long to wait before the next connection attempt: a random part ("full jitter") of a time that doubles, so
// that nodes which lost their server together do not come back together.
type backoff struct{ failures int }

// An ending is how a connection attempt, or a connection, ended.
type ending struct {
	lasted     time.Duration // from registration; zero: not registered
	spread     time.Duration // what the server asked for in its Welcome
	retryAfter time.Duration // what the server asked for when it refused
}

// next returns the wait. random returns a random part of its argument.
func (b *backoff) next(e ending, random func(time.Duration) time.Duration) time.Duration {
	if e.lasted >= steadyAfter {
		b.failures = 0
	}
	ceiling := backoffMax
	if b.failures < 7 { // 500 ms * 2^6 is above the maximum
		ceiling = min(backoffFirst<<b.failures, backoffMax)
	}
	b.failures++
	if e.retryAfter > 0 {
		asked := min(e.retryAfter, retryMax)
		return asked + random(max(asked, ceiling))
	}
	if e.lasted > 0 {
		ceiling = max(ceiling, min(e.spread, spreadMax))
	}
	return random(ceiling)
}
