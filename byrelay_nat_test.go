package bodkin_test

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestAStreamGoesByTheRelayOnceItsDirectPathIsLate cuts the direct path. An answer is late after 0.4 s and a little; then the two are
// introduced, and come to the relay. The way of other attempts, with samples, a head start and a handshake, took 1.06 s at best.
func TestAStreamGoesByTheRelayOnceItsDirectPathIsLate(t *testing.T) {
	t.Parallel()
	limit := 850 * time.Millisecond
	if raceDetector {
		limit *= 4
	}
	stopwatch.Within(t, limit, func() time.Duration {
		w := newWorldOf(t, server.Config{})
		near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.Linux()), "b")
		w.delays(near, far, delayAS, delayBS, delayAB)
		pair := newCouple(t, w, near, far, bodkin.Config{})
		ensure(t, w.lab.CutBetween(near.Host, far.Host))
		gap := pair.goesOn(t)
		t.Logf("longest gap %v", gap.Round(time.Millisecond))
		if path := pair.conn.Path(); path.Kind != bodkin.Relayed || !path.Remote.IsValid() {
			t.Errorf("path %+v, want relayed", path)
		}
		return gap
	})
}
