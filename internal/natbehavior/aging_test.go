package natbehavior

import (
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// deathAt is of a mapping that was made so long after epoch.
func deathAt(born, heard, missed time.Duration) Death {
	at := epoch.Add(born)
	return Death{at, at.Add(heard), at.Add(missed)}
}

// inTurn are deaths of mappings that were made one after the other.
func inTurn(ages ...[2]time.Duration) (all []Death) {
	var born time.Duration
	for _, a := range ages {
		all = append(all, deathAt(born, a[0], a[1]))
		born += max(a[1], a[0]) + 10*time.Second
	}
	return all
}

func TestTwoDeathsAtOneAgeAreEnough(t *testing.T) {
	const s = time.Second
	type ages = [2]time.Duration
	for name, c := range map[string]struct {
		deaths []Death
		want   time.Duration
	}{
		"none":                              {nil, 0},
		"one":                               {inTurn(ages{60 * s, 61 * s}), 0},
		"two at one age":                    {inTurn(ages{60 * s, 60 * s}, ages{59 * s, 60 * s}), 59 * s},
		"two at different ages":             {inTurn(ages{60 * s, 61 * s}, ages{90 * s, 91 * s}), 0},
		"another cause between":             {inTurn(ages{60 * s, 61 * s}, ages{7 * s, 7 * s}, ages{61 * s, 62 * s}), 60 * s},
		"of busy and of idle connections":   {inTurn(ages{60 * s, 60 * s}, ages{45 * s, 60 * s}), 45 * s},
		"of two idle connections":           {inTurn(ages{40 * s, 60 * s}, ages{45 * s, 60 * s}), 0},
		"one that might be of any age":      {inTurn(ages{60 * s, 60 * s}, ages{30 * s, 60 * s}), 0},
		"young ones":                        {inTurn(ages{s, s}, ages{s, s}), 0},
		"too many others between":           {inTurn(ages{60 * s, 60 * s}, ages{10 * s, 10 * s}, ages{20 * s, 20 * s}, ages{30 * s, 30 * s}, ages{40 * s, 40 * s}, ages{60 * s, 60 * s}), 0},
		"missed before it was heard":        {inTurn(ages{60 * s, 0}, ages{60 * s, 0}), 0},
		"a new age, as of another network":  {inTurn(ages{60 * s, 60 * s}, ages{60 * s, 60 * s}, ages{20 * s, 20 * s}, ages{20 * s, 21 * s}), 20 * s},
		"ages that nearly meet, and do not": {inTurn(ages{60 * s, 60 * s}, ages{65 * s, 66 * s}), 0},
		"two of one event":                  {[]Death{deathAt(0, 60*s, 60*s), deathAt(0, 59*s, 61*s), deathAt(s, 59*s, 60*s)}, 0},
		"two of one event, and another":     {[]Death{deathAt(0, 40*s, 60*s), deathAt(0, 59*s, 60*s), deathAt(70*s, 58*s, 60*s)}, 58 * s},
		"of a mapping without a beginning":  {[]Death{{Heard: epoch, Missed: epoch}, {Heard: epoch.Add(60 * s), Missed: epoch.Add(60 * s)}}, 0},
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
	deaths := inTurn([2]time.Duration{60 * s, 60 * s}, [2]time.Duration{60 * s, 60 * s}, [2]time.Duration{60 * s, 60 * s}, [2]time.Duration{60 * s, 60 * s})
	a.Note(deaths[0])
	if !a.Note(deaths[1]) || a.Note(deaths[2]) {
		t.Error("want an age learnt by the second death, and not again by the third")
	}
	if a.Survived(61*s) || a.Limit() == 0 {
		t.Error("disproved by a mapping that had just lived longer")
	}
	if !a.Survived(80*s) || a.Limit() != 0 {
		t.Error("not disproved by a mapping that lives on")
	}
	a.Note(deaths[3])
	if a.Limit() != 0 {
		t.Error("learnt again by one death")
	}
}

func TestAMappingIsLookedAtWhereItMayEnd(t *testing.T) {
	const s = time.Second
	var a Aging
	if looks := a.Looks(); looks != nil {
		t.Errorf("without a death at %v", looks)
	}
	for _, step := range []struct {
		death    Death
		from, to time.Duration
	}{
		{deathAt(0, 48*s, 64*s), 48 * s, 68 * s},                       // an idle connection: somewhere between two pings, and a sixteenth more
		{deathAt(100*s, 60*s, 60*s), 48 * s, 62400 * time.Millisecond}, // learnt: from there to where it is disproved
	} {
		a.Note(step.death)
		looks := a.Looks()
		if len(looks) != 8 || looks[0] != step.from || looks[7] != step.to || !slices.IsSorted(looks) {
			t.Errorf("looks at %v, want eight from %v to %v", looks, step.from, step.to)
		}
	}
	a.Survived(90 * s)
	if looks := a.Looks(); looks != nil {
		t.Errorf("looks at %v after it was disproved", looks)
	}
}
