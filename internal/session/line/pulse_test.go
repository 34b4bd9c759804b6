package line

import (
	"testing"
	"time"
)

func TestPulse(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		pulse pulse
		now   float64
		want  finding
		next  time.Duration
	}{
		"idle":                                   {pulse{heard: at(0)}, 5, alive, 10 * time.Second},
		"idle for long":                          {pulse{heard: at(0)}, 15, idle, 2 * time.Second},
		"data, and a pause":                      {pulse{heard: at(0), flows: true}, 0.4, alive, 600 * ms},
		"data, and a longer pause":               {pulse{heard: at(0), flows: true}, 1, idle, 2 * time.Second},
		"owed, just now":                         {pulse{heard: at(0), owed: at(10)}, 10, alive, 2 * time.Second},
		"owed by an unknown path, and quiet":     {pulse{heard: at(0), owed: at(10)}, 12, overdue, 6 * time.Second},
		"owed by a short path, not yet late":     {pulse{heard: at(0), owed: at(10), known: true, worst: 20 * ms}, 10.25, alive, 150 * ms},
		"owed by a short path, late":             {pulse{heard: at(0), owed: at(10), known: true, worst: 20 * ms}, 10.5, overdue, 7500 * ms},
		"owed by a path that has lost, not late": {pulse{heard: at(0), owed: at(10), known: true, worst: 600 * ms}, 11.25, alive, 50 * ms},
		"owed by a long path, not late":          {pulse{heard: at(0), owed: at(10), known: true, rtt: 300 * ms}, 10.9, alive, 100 * ms},
		"asked, and late":                        {pulse{heard: at(0), owed: at(10), asked: at(10), known: true, rtt: 20 * ms}, 10.5, overdue, 7500 * ms},
		"late, and told":                         {pulse{heard: at(0), owed: at(10), known: true, rtt: 20 * ms, late: true}, 13, alive, 5 * time.Second},
		"owed for long, but heard":               {pulse{heard: at(17), owed: at(1), asked: at(2)}, 18, alive, time.Second},
		"owed and silent":                        {pulse{heard: at(0), owed: at(10), asked: at(12)}, 18, expired, 0},
		"heard long ago, owed since a blink":     {pulse{heard: at(0), owed: at(100)}, 101, alive, time.Second},
	} {
		got, next := c.pulse.judge(at(c.now), 8*time.Second, 15*time.Second)
		if got != c.want || (next-c.next).Abs() > time.Microsecond {
			t.Errorf("%s: got %v, %v, want %v, %v", name, got, next, c.want, c.next)
		}
		if c.pulse.late != (c.want == overdue || name == "late, and told") {
			t.Errorf("%s: late is %v", name, c.pulse.late)
		}
	}
}

func TestTheLongestWaitFades(t *testing.T) {
	now := time.Unix(1000, 0)
	var p pulse
	hear := func(wait time.Duration) {
		p.owed = now
		now = now.Add(wait)
		p.hear(now)
	}
	const silence = 6 * time.Second
	if got := p.patience(silence); got != silence/4 {
		t.Errorf("with nothing known an answer may take %v, want %v", got, silence/4)
	}
	for _, step := range []struct{ wait, want time.Duration }{
		{50 * time.Millisecond, lateLeast},
		{600 * time.Millisecond, 1300 * time.Millisecond},
		{50 * time.Millisecond, 1300 * time.Millisecond},
		{5 * time.Second, silence / 4},
	} {
		hear(step.wait)
		if got := p.patience(silence); got != step.want {
			t.Errorf("after an answer that took %v the next may take %v, want %v", step.wait, got, step.want)
		}
	}
	now = now.Add(4 * fade)
	hear(50 * time.Millisecond)
	if got, want := p.worst, 5*time.Second/16; got != want {
		t.Errorf("%v later the longest wait counts for %v, want %v", 4*fade, got, want)
	}
	now = now.Add(24 * time.Hour)
	hear(50 * time.Millisecond)
	if got := p.patience(silence); got != lateLeast {
		t.Errorf("a day later an answer may take %v, want %v", got, lateLeast)
	}
}

// TestALossyPathIsSeldomThoughtLate plays a kernel that sends again after a round trip and 200 ms, then after twice as long each time: of
// 20,000 answers by a path that loses every twentieth packet either way, less than one in a hundred is thought late, and none is given up.
func TestALossyPathIsSeldomThoughtLate(t *testing.T) {
	const rtt, silence = 200 * time.Millisecond, 6 * time.Second
	now := time.Unix(1000, 0)
	p := pulse{heard: now}
	state := uint64(1)
	lost := func() bool { // 5 % each way
		state = state*6364136223846793005 + 1442695040888963407
		return state>>33%1000 < 98
	}
	jitter := func() time.Duration { return time.Duration(state >> 40 % uint64(60*time.Millisecond)) }
	const answers = 20_000
	late := 0
	for range answers {
		p.expect(now)
		wait := rtt + jitter()
		for again := rtt + 200*time.Millisecond; lost(); again *= 2 {
			wait += again
		}
		if wait > p.patience(silence) {
			late++
		}
		if wait > silence {
			t.Fatalf("given up after %v", wait)
		}
		now = now.Add(wait)
		p.hear(now)
		p.answered()
		now = now.Add(time.Second)
	}
	t.Logf("%d of %d answers were thought late", late, answers)
	if late > answers/100 {
		t.Errorf("%d of %d answers were thought late", late, answers)
	}
}
