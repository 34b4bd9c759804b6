package bodkin_test

import (
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// furtherPairs are networks between which one more connection needs no server: whichever side takes the new port, somebody can tell
// where it is.
var furtherPairs = []struct {
	name      string
	near, far func(*natlab.Lab, string) *natlab.NAT
}{
	{"port-restricted cones", goBox(natlab.PortRestrictedCone()), goBox(natlab.PortRestrictedCone())},
	{"Linux boxes", kernelBox, kernelBox},
	{"a full cone and a Linux box", goBox(natlab.FullCone()), kernelBox},
	{"a carrier's network and a restricted cone", goBox(natlab.CarrierGrade()), goBox(natlab.RestrictedCone())},
	{"a Linux box and a carrier's network", kernelBox, goBox(natlab.CarrierGrade())},
	{"a carrier's network and a home that rejects", goBox(natlab.CarrierGrade()), goBox(natlab.LinuxReject())},
}

// TestASessionGetsFurtherConnectionsWithoutTheServer kills the server and asks for one connection after the other. The nodes wait most of
// the time, so all pairs do at once.
//
// Seen to fail where the side that stays does not dial the new port, and with no new port.
func TestASessionGetsFurtherConnectionsWithoutTheServer(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, pair := range furtherPairs {
		all.Go(func() {
			t.Run(pair.name, func(t *testing.T) { furtherConnections(t, pair.near, pair.far) })
		})
	}
	all.Wait()
}

func furtherConnections(t *testing.T, near, far func(*natlab.Lab, string) *natlab.NAT) {
	const more = 7
	w := newWorld(t)
	nearHome, farHome := behind(near(w.lab, "near"), "a"), behind(far(w.lab, "far"), "b")
	w.delays(nearHome, farHome, 4*time.Millisecond, 6*time.Millisecond, 5*time.Millisecond)
	a := w.join(t, nearHome, bodkin.Config{Name: "ada", Connections: 8})
	b := w.join(t, farHome, bodkin.Config{Name: "ben", Connections: 8})
	echo(t, b, "echo")
	measured(t, a)
	measured(t, b)
	conn, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.stop()
	var took []time.Duration
	for i := range more {
		began := time.Now()
		if err := a.Another(t.Context(), "ben", true); err != nil {
			t.Fatalf("connection %d: %v", i+2, err)
		}
		took = append(took, time.Since(began).Round(time.Millisecond))
	}
	t.Logf("each took %v", took)
	if answer, err := say(conn, "still there"); answer != "still there" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
}

// TestARelayedSessionBecomesDirectWithoutTheServersHelp has the two nodes find each other by what they say over the relay.
func TestARelayedSessionBecomesDirectWithoutTheServersHelp(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, server.Config{})
	near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(kernelBox(w.lab, "far"), "b")
	w.delays(near, far, delayAS, delayBS, 2*time.Second) // too far for a punch in time
	pair := newCouple(t, w, near, far, bodkin.Config{})
	if path := pair.conn.Path(); path.Kind != bodkin.Relayed {
		t.Fatalf("path is %v, want relayed", path.Kind)
	}
	w.lab.SetDelay(near, far, delayAB)
	began := time.Now()
	if err := pair.a.Another(t.Context(), "ben", false); err != nil {
		t.Fatal(err)
	}
	t.Logf("direct after %v", time.Since(began).Round(time.Millisecond))
	pair.goesOn(t)
	if path := pair.conn.Path(); path.Kind != bodkin.Direct {
		t.Errorf("path is %v, want direct", path.Kind)
	}
	w.stop()
	pair.goesOn(t)
}
