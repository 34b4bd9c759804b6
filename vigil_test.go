package bodkin

import (
	"testing"
	"time"
)

// TestAMappingThatIsOlderThanTheFirstLooksIsLookedAtOnce has an age learnt when some of its looks are due already, as by a carrier that died
// of the same mapping.
func TestAMappingThatIsOlderThanTheFirstLooksIsLookedAtOnce(t *testing.T) {
	home := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	looks := []time.Duration{60 * time.Second, 62 * time.Second, 64 * time.Second}
	for name, c := range map[string]struct {
		age   time.Duration
		first time.Duration // when the first step is, after home
		steps int           // the last is to see what came of it
	}{
		"young":           {10 * time.Second, 60*time.Second + agedAfter, 4},
		"at the first":    {61 * time.Second, 60*time.Second + agedAfter, 4},
		"past the second": {63 * time.Second, 62*time.Second + agedAfter, 3},
		"past all":        {90 * time.Second, 64*time.Second + agedAfter, 2},
	} {
		v := newVigil(looks, home, home.Add(c.age))
		if len(v.steps) != c.steps || !v.steps[0].Equal(home.Add(c.first)) {
			t.Errorf("%s: steps are %v, want %d from %v on", name, v.steps, c.steps, home.Add(c.first))
			continue
		}
		if last := v.steps[len(v.steps)-1]; !last.Equal(home.Add(looks[2] + agedAfter + disproveWait)) {
			t.Errorf("%s: looks back at %v", name, last)
		}
	}
	if v := newVigil(nil, home, home); len(v.steps) != 0 || v.wait(home) != time.Hour {
		t.Errorf("without looks there are steps %v", v.steps)
	}
}
