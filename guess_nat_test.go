package bodkin_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// joinGuessing joins a node without the relay, and waits until it knows how its network maps and allocates ports.
func (w *world) joinGuessing(t testing.TB, host home, name string) *bodkin.Node {
	t.Helper()
	n := w.join(t, host, bodkin.Config{Name: name, Relay: bodkin.RelayNever, Search: true, NoPortMapping: true})
	deadline := time.After(30 * time.Second)
	for {
		b := n.Status().IPv4
		if b.Mapping != "unknown" && b.Allocation != "unknown" {
			return n
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not measured: %+v", name, b)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestMappingsThatCanBePredictedAreFound: each pair has at least 99.98 % in each run. A machine that stalls may mix up the order of SYNs, or
// make a sample old, but not in one run after the other.
func TestMappingsThatCanBePredictedAreFound(t *testing.T) {
	const runs = 3
	for name, test := range map[string]struct {
		near, far natlab.Behavior
		traffic   float64 // of the neighbours of the near side
	}{
		"a counter":                          {natlab.SequentialSymmetric(), natlab.PortRestrictedCone(), 0},
		"a counter that neighbours use, too": {natlab.SequentialSymmetric(), natlab.Linux(), 20},
		"a block of ports":                   {natlab.SymmetricBlock(), natlab.PortRestrictedCone(), 0},
		"a block, and a NAT that rejects":    {natlab.SymmetricBlock(), natlab.LinuxReject(), 0},
		"two counters":                       {natlab.SequentialSymmetric(), natlab.SequentialSymmetric(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			near := behind(w.lab.NAT("near", test.near), "a")
			far := behind(w.lab.NAT("far", test.far), "b")
			w.delays(near, far, delayAS, delayBS, delayAB)
			if test.traffic > 0 {
				stop, err := near.nat.Traffic(test.traffic)
				if err != nil {
					t.Fatal(err)
				}
				defer stop()
			}
			found, lost := 0, 0
			for run := 0; found < runs && lost < runs; run++ {
				w.lab.ResetFlows()
				a, b := w.joinGuessing(t, near, "ada"), w.joinGuessing(t, far, "ben")
				dialer, callee := a, "ben"
				if run%2 == 1 {
					dialer, callee = b, "ada"
				}
				ping, err := dialer.Ping(t.Context(), callee)
				if err != nil {
					lost++
					t.Logf("run %d, to %s: %v", run, callee, err)
				} else {
					found++
					t.Logf("run %d, to %s: %.0f ms, %d SYNs in %d rounds", run, callee, ms(ping.Timing.Secured), ping.Timing.SYNs, ping.Timing.Rounds)
				}
				a.Close()
				b.Close()
				w.wantFewSYNs(t, near.outside, far.outside, 64+21)
			}
			if found < runs {
				t.Errorf("direct in %d of %d runs", found, found+lost)
			}
		})
	}
}

// wantFewSYNs looks at every endpoint that got a SYN from one of the two sides: it is the other side's or the server's, and there are no
// more than most of the other's.
func (w *world) wantFewSYNs(t *testing.T, near, far netip.Addr, most int) {
	t.Helper()
	targets := map[netip.Addr]int{}
	for from, to := range w.lab.SYNs() {
		for endpoint := range to {
			isPeer := from == near && endpoint.Addr() == far || from == far && endpoint.Addr() == near
			if !isPeer && endpoint.Addr() != w.server.Addr() && endpoint != natlab.TrafficSink() && from != w.server.Addr() {
				t.Errorf("a SYN from %v to %v", from, endpoint)
			}
			if isPeer {
				targets[from]++
			}
		}
	}
	for from, n := range targets {
		if n > most {
			t.Errorf("%v sent SYNs to %d endpoints of its peer, want at most %d", from, n, most)
		}
	}
}

// TestASearchFindsRandomMappings: one search in 60 fails, so three in a row do once in 200,000 times.
func TestASearchFindsRandomMappings(t *testing.T) {
	w := newWorld(t)
	near := behind(w.lab.NAT("near", natlab.Symmetric()), "a")
	far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	machine := newMachine(t)
	for range 3 {
		w.lab.ResetFlows()
		a, b := w.joinGuessing(t, near, "ada"), w.joinGuessing(t, far, "ben")
		machine.stood()
		ping, err := a.Ping(t.Context(), "ben")
		a.Close()
		b.Close()
		w.wantFewSYNs(t, near.outside, far.outside, 512+21)
		if err == nil {
			t.Logf("%.0f ms, %d SYNs", ms(ping.Timing.Secured), ping.Timing.SYNs)
			if stood := machine.stood(); ping.Timing.Secured > 6*time.Second && stood < stalled {
				t.Errorf("took %v, want at most 6 s", ping.Timing.Secured)
			}
			return
		}
		t.Log(err)
	}
	t.Error("three searches found nothing")
}

// TestASilentRoundIsFollowedByAStaggeredOne has the dialer behind a NAT that does not let SYNs cross, and so near to the server that its first
// one is gone before the callee's hole is open. The kernel sends it again after a second; a second port does not wait for that.
func TestASilentRoundIsFollowedByAStaggeredOne(t *testing.T) {
	const tries, kernel = 8, time.Second
	var took time.Duration
	for range tries {
		w := newWorld(t)
		near := behind(w.lab.NAT("near", natlab.NoSimultaneousOpen()), "a")
		far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
		w.delays(near, far, 2*time.Millisecond, 30*time.Millisecond, 3*time.Millisecond)
		a := w.joinGuessing(t, near, "ada")
		w.joinGuessing(t, far, "ben")
		ping, err := a.Ping(t.Context(), "ben")
		if err != nil {
			t.Fatal(err)
		}
		took = ping.Timing.Secured
		t.Logf("%.0f ms, %d rounds, %d SYNs", ms(took), ping.Timing.Rounds, ping.Timing.SYNs)
		if took < kernel && ping.Timing.Rounds == 2 {
			return
		}
	}
	t.Errorf("took %v, want less than the kernel's %v, in two rounds", took, kernel)
}
