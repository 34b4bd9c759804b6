package bodkin_test

import (
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestASessionComesBackByItselfAfterAReset resets the connection of two nodes behind NATs that let nobody in, at one end and at both,
// with nobody there to introduce them again.
func TestASessionComesBackByItselfAfterAReset(t *testing.T) {
	t.Parallel()
	for _, both := range []bool{false, true} {
		t.Run(map[bool]string{false: "at one end", true: "at both ends"}[both], func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, server.Config{})
			near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
			w.delays(near, far, delayAS, delayBS, delayAB)
			pair := newCouple(t, w, near, far, bodkin.Config{})
			pair.becomesDirect(t)
			w.stop()
			for range 2 {
				pair.reset(t, both)
				gap := pair.goesOn(t)
				t.Logf("longest gap %v", gap)
			}
			if path := pair.conn.Path(); path.Kind != bodkin.Direct || path.Remote.Addr() != far.outside {
				t.Errorf("path %+v, want direct to %v", path, far.outside)
			}
		})
	}
}
