package natbehavior

import (
	"testing"
	"time"
)

func TestTwoDeathsAtOneAgeAreEnough(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		deaths []Death
		want   time.Duration
	}{
		"none":                              {nil, 0},
		"one":                               {[]Death{{60 * s, 61 * s}}, 0},
		"two at one age":                    {[]Death{{60 * s, 60 * s}, {59 * s, 60 * s}}, 59 * s},
		"two at different ages":             {[]Death{{60 * s, 61 * s}, {90 * s, 91 * s}}, 0},
		"another cause between":             {[]Death{{60 * s, 61 * s}, {7 * s, 7 * s}, {61 * s, 62 * s}}, 60 * s},
		"of busy and of idle connections":   {[]Death{{60 * s, 60 * s}, {45 * s, 60 * s}, {59 * s, 60 * s}}, 59 * s},
		"young ones":                        {[]Death{{s, s}, {s, s}}, 0},
		"too many others between":           {[]Death{{60 * s, 60 * s}, {10 * s, 10 * s}, {20 * s, 20 * s}, {30 * s, 30 * s}, {40 * s, 40 * s}, {60 * s, 60 * s}}, 0},
		"missed before it was heard":        {[]Death{{60 * s, 0}, {60 * s, 0}}, 0},
		"a new age, as of another network":  {[]Death{{60 * s, 60 * s}, {60 * s, 60 * s}, {20 * s, 20 * s}, {20 * s, 21 * s}}, 20 * s},
		"ages that nearly meet, and do not": {[]Death{{60 * s, 60 * s}, {65 * s, 66 * s}}, 0},
	} {
		var a Aging
		for _, d := range c.deaths {
			a.Note(d)
		}
		if got := a.Limit(); got != c.want {
			t.Errorf("%s: mappings end at %v, want %v", name, got, c.want)
		}
	}
}

func TestAMappingThatLivesOnDisprovesTheAge(t *testing.T) {
	const s = time.Second
	var a Aging
	a.Note(Death{60 * s, 60 * s})
	if !a.Note(Death{60 * s, 60 * s}) || a.Note(Death{60 * s, 60 * s}) {
		t.Error("want an age learnt by the second death, and not again by the third")
	}
	if a.Survived(61*s) || a.Limit() == 0 {
		t.Error("disproved by a mapping that had just lived longer")
	}
	if !a.Survived(80*s) || a.Limit() != 0 {
		t.Error("not disproved by a mapping that lives on")
	}
	a.Note(Death{60 * s, 60 * s})
	if a.Limit() != 0 {
		t.Error("learnt again by one death")
	}
}
