// Package stopwatch is for tests that claim how long something takes, or that need things to happen close together, on machines
// that have other work to do.
//
// Other work can only lengthen what is timed, and does so now and then; a fault of the code does it every time. So a claim is
// tried several times and holds if it is met once.
package stopwatch

import (
	"fmt"
	"testing"
	"time"
)

// Attempts is how often a claim is tried before it is believed to be wrong.
const Attempts = 20

// Within calls attempt until it tells a time of at most bound, and fails t if none of Attempts does. An attempt that fails in
// another way fails t by itself, and ends the trying.
func Within(t testing.TB, bound time.Duration, attempt func() time.Duration) {
	t.Helper()
	Met(t, func() error {
		if took := attempt(); took > bound {
			return fmt.Errorf("took %v, want at most %v", took, bound)
		}
		return nil
	})
}

// Met calls attempt until it returns nil, and fails t if none of Attempts does. It is for claims that a stall of the machine
// can break and a fault of the code always breaks. An attempt that fails in a way that no stall explains fails t by itself, and
// ends the trying.
func Met(t testing.TB, attempt func() error) {
	t.Helper()
	for n := 1; ; n++ {
		err := attempt()
		switch {
		case t.Failed() || err == nil:
			return
		case n == Attempts:
			t.Errorf("in %d attempts not once as claimed; the last: %v", n, err)
			return
		}
		t.Logf("attempt %d: %v", n, err)
	}
}
