// Package stopwatch is for tests that claim how long something takes, on machines that have other work to do.
//
// Other work can only lengthen what is timed, and does so now and then; a fault of the code does it every time. So a claim is
// tried several times and holds if it is met once.
package stopwatch

import (
	"testing"
	"time"
)

// Attempts is how often Within tries before it believes that something is slow.
const Attempts = 8

// Within calls attempt until it tells a time of at most bound, and fails t if none of Attempts does. An attempt that fails in
// another way fails t by itself, and ends the trying.
func Within(t testing.TB, bound time.Duration, attempt func() time.Duration) {
	t.Helper()
	var took []time.Duration
	for range Attempts {
		last := attempt()
		if t.Failed() || last <= bound {
			return
		}
		took = append(took, last)
	}
	t.Errorf("took %v, want at most %v once", took, bound)
}
