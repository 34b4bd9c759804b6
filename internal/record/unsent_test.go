package record

import (
	"testing"
	"time"
)

func TestASocketKeepsUnsentWhatItSendsInAMoment(t *testing.T) {
	const least = 128 << 10
	for name, c := range map[string]struct {
		before, least, took int
		in                  time.Duration
		want                int
	}{
		"slow":                         {least, least, 1 << 20, 100 * time.Millisecond, least},
		"nothing was taken":            {least, least, 0, time.Hour, least},
		"fast":                         {least, least, 10 << 20, 10 * time.Millisecond, 1 << 20},
		"faster than any":              {least, least, 1 << 30, 10 * time.Millisecond, mostUnsent},
		"a little faster":              {1 << 20, least, 11 << 20, 10 * time.Millisecond, 1 << 20},
		"a little slower":              {1 << 20, least, 6 << 20, 10 * time.Millisecond, 1 << 20},
		"much slower":                  {1 << 20, least, 4 << 20, 10 * time.Millisecond, 4 << 20 / 10},
		"slow again":                   {mostUnsent, least, 1 << 20, time.Second, least},
		"slow again, and it was close": {least * 5 / 4, least, 1 << 10, time.Second, least},
		"the least is beyond the most": {2 * mostUnsent, 2 * mostUnsent, 1 << 30, 10 * time.Millisecond, 2 * mostUnsent},
	} {
		if got := nextUnsent(c.before, c.least, c.took, c.in); got != c.want {
			t.Errorf("%s: keeps %d, want %d", name, got, c.want)
		}
	}
}
