package natbehavior

import (
	"testing"
	"time"
)

func TestTwoIdleDeathsHalveTheSilence(t *testing.T) {
	const s = time.Second
	type death struct{ at, quiet time.Duration }
	for name, c := range map[string]struct {
		deaths []death
		want   time.Duration
	}{
		"none":                            {nil, IdleMost},
		"one":                             {[]death{{0, 15 * s}}, IdleMost},
		"two":                             {[]death{{0, 15 * s}, {40 * s, 15 * s}}, IdleMost / 2},
		"two, long after each other":      {[]death{{0, 15 * s}, {time.Hour, 15 * s}}, IdleMost},
		"two soon, after one long ago":    {[]death{{0, 15 * s}, {time.Hour, 15 * s}, {time.Hour + 40*s, 14 * s}}, IdleMost / 2},
		"two that were busy":              {[]death{{0, s}, {40 * s, 0}}, IdleMost},
		"one that was busy between":       {[]death{{0, 15 * s}, {20 * s, s}, {40 * s, 15 * s}}, IdleMost / 2},
		"four, as of a very short memory": {[]death{{0, 15 * s}, {40 * s, 15 * s}, {60 * s, 7500 * time.Millisecond}, {80 * s, 7500 * time.Millisecond}}, IdleMost / 4},
	} {
		var i Idling
		for _, d := range c.deaths {
			i.Note(d.quiet, time.Unix(1000, 0).Add(d.at))
		}
		if got := i.Every(); got != c.want {
			t.Errorf("%s: every %v, want %v", name, got, c.want)
		}
	}
}

func TestTheSilenceIsBoundedBelow(t *testing.T) {
	var i Idling
	now := time.Unix(1000, 0)
	for range 100 {
		now = now.Add(time.Second)
		i.Note(time.Minute, now)
	}
	if i.Every() != idleLeast {
		t.Errorf("after 100 deaths every %v, want %v", i.Every(), idleLeast)
	}
}
