package stopwatch

import (
	"fmt"
	"testing"
	"time"
)

// verdict is a test that Within may fail.
type verdict struct {
	testing.TB
	said string
}

func (v *verdict) Helper()      {}
func (v *verdict) Failed() bool { return v.said != "" }

func (v *verdict) Logf(string, ...any) {}

func (v *verdict) Errorf(format string, args ...any) {
	v.said = fmt.Sprintf(format, args...)
}

func TestAClaimHoldsIfItIsMetOnce(t *testing.T) {
	const bound = time.Second
	for _, c := range []struct {
		name     string
		slow     int // attempts before one is in time
		attempts int
		said     string
	}{
		{"at once", 0, 1, ""},
		{"after some work of others", 3, 4, ""},
		{"in the last attempt", Attempts - 1, Attempts, ""},
		{"never", Attempts, Attempts, "in 20 attempts not once as claimed; the last: took 1.000000001s, want at most 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, attempts := &verdict{}, 0
			Within(v, bound, func() time.Duration {
				if attempts++; attempts <= c.slow {
					return bound + 1
				}
				return bound
			})
			if v.said != c.said || attempts != c.attempts {
				t.Errorf("after %d attempts it said %q, want %q after %d", attempts, v.said, c.said, c.attempts)
			}
		})
	}
}

func TestAnAttemptThatFailsIsTheLast(t *testing.T) {
	v, attempts := &verdict{}, 0
	Within(v, time.Second, func() time.Duration {
		attempts++
		v.Errorf("no connection")
		return time.Hour
	})
	if v.said != "no connection" || attempts != 1 {
		t.Errorf("after %d attempts it said %q", attempts, v.said)
	}
}
