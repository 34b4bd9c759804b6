package punch

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// The timing model, for one-way delay c, with a's SYN leaving at 0 and b's at skew, and routers that drop: SYNs that
// cross establish a at max(c, skew) + c and b at skew + 2c; if a's SYN was dropped before b's left, b is first.
func establishedAt(skew, c time.Duration) (a, b time.Duration) {
	if skew > c {
		return skew + 3*c, skew + 2*c
	}
	return max(c, skew) + c, skew + 2*c
}

// provenAt is when TLS 1.3 is done, if a is the client: the callee knows c after the dialer's last message.
func provenAt(skew, c time.Duration) (a, b time.Duration) {
	openA, openB := establishedAt(skew, c)
	a = max(openA+c, openB) + c
	return a, a + c
}

// TestConnectingAndProvingTakeAsLongAsTheModelSays: the fastest of five is within 10 % of the model at each step, the last
// being that the dialer may send its first protected byte, and that the callee may read it.
func TestConnectingAndProvingTakeAsLongAsTheModelSays(t *testing.T) {
	for _, box := range boxes {
		t.Run(box, func(t *testing.T) {
			lab := natlab.Test(t, natlab.Config{})
			a, b := newSite(t, lab, box, drops, "a"), newSite(t, lab, box, drops, "b")
			if err := lab.SetDelay(a.host, b.host, apart); err != nil {
				t.Fatal(err)
			}
			for _, skew := range []time.Duration{0, 20 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 3300 * time.Millisecond} {
				t.Run(skew.String(), func(t *testing.T) { compareWithModel(t, lab, a, b, skew) })
			}
		})
	}
}

func compareWithModel(t *testing.T, lab *natlab.Lab, a, b site, skew time.Duration) {
	repeats := 5
	if skew > time.Second {
		repeats = 1
	}
	stopwatch.Met(t, func() error {
		var wrong error
		for i, ratios := range measureAgainstModel(t, lab, a, b, skew, repeats) {
			slices.Sort(ratios)
			fastest, median := ratios[0], ratios[repeats/2]
			t.Logf("%-16s fastest %.3f of the model, median %.3f", steps[i], fastest, median)
			if fastest > tolerated || median < 0.97 {
				wrong = errors.Join(wrong, fmt.Errorf("%s: %.3f of the model, want at most %.2f", steps[i], fastest, tolerated))
			}
		}
		return wrong
	})
}

// steps are what is measured, since the dialer's SYN.
var steps = [4]string{"dialer open", "callee open", "dialer may send", "callee may read"}

// measureAgainstModel is the time to each step as a multiple of the model's.
func measureAgainstModel(t *testing.T, lab *natlab.Lab, a, b site, skew time.Duration, repeats int) (ratios [4][]float64) {
	t.Helper()
	for range repeats {
		p := newPair(t, lab, a, b)
		atA, atB := p.punch(t.Context(), skew, 0, nil)
		if atA.err != nil || atB.err != nil {
			t.Fatalf("dialer: %v, callee: %v", atA.err, atB.err)
		}
		hangUp(atA, atB)
		start := atA.result.FirstSYN
		real := atB.result.FirstSYN.Sub(start) // timers are late by a little
		openA, openB := establishedAt(real, apart)
		provenA, provenB := provenAt(real, apart)
		got := [4]time.Time{atA.result.Connected, atB.result.Connected, atA.result.Nominated, atB.result.Nominated}
		for i, model := range [4]time.Duration{openA, openB, provenA, provenB} {
			ratios[i] = append(ratios[i], float64(got[i].Sub(start))/float64(model))
		}
	}
	return ratios
}
