package bodkin_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// mappedAddr is the outside address of NATs that map ports: miniupnpd refuses those that a lab chooses, which are reserved.
const mappedAddr = "11.0.0.1"

var allProtocols = natlab.PortMapping{UPnP: true, PCP: true, NATPMP: true}

// mappingHome is a host behind a kernel NAT that maps ports for it.
func mappingHome(t *testing.T, w *world, offer natlab.PortMapping) (home, *natlab.Miniupnpd) {
	t.Helper()
	nat := w.lab.KernelNAT("near", natlab.Kernel{}, natlab.At(mappedAddr))
	return behind(nat, "a"), natlab.TestMiniupnpd(t, nat, offer)
}

// awaitMapping waits until a node's status satisfies want.
func awaitMapping(t *testing.T, node *bodkin.Node, want func(bodkin.PortMapping) bool) bodkin.PortMapping {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Second); ; <-tick.C {
		m := node.Status().PortMapping
		if want(m) {
			return m
		}
		if time.Now().After(end) {
			t.Fatalf("the mapping stays %+v", m)
		}
	}
}

func isProven(m bodkin.PortMapping) bool  { return m.Proven }
func isProblem(m bodkin.PortMapping) bool { return m.Problem != "" }

// TestAMappedNodeConnectsWithAnyNAT is the promise of port mapping: direct, every run, whoever dials.
func TestAMappedNodeConnectsWithAnyNAT(t *testing.T) {
	for protocol, offer := range map[string]natlab.PortMapping{
		"PCP": {PCP: true}, "NAT-PMP": {NATPMP: true}, "UPnP": {UPnP: true}, "all": allProtocols,
	} {
		for name, far := range map[string]func(*natlab.Lab, string) *natlab.NAT{
			"port-restricted-cone": goBox(natlab.PortRestrictedCone()),
			"symmetric-random":     goBox(natlab.Symmetric()),
			"linux":                kernelBox,
		} {
			t.Run(protocol+" and "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				near, daemon := mappingHome(t, w, offer)
				far := behind(far(w.lab, "far"), "b")
				w.delays(near, far, 4*time.Millisecond, 6*time.Millisecond, 5*time.Millisecond)
				for run := range runs() {
					if err := w.connectMapped(t, near, far, run%2 == 0); err != nil {
						t.Errorf("run %d: %v", run, err)
					}
				}
				// A node that ends asks once and does not wait for long: a daemon that stands still may miss one, not all of them.
				if rules, err := daemon.Forwarded(); len(rules) > 1 || err != nil {
					t.Errorf("left behind: %q, %v", rules, err)
				}
			})
		}
	}
}

// connectMapped joins a fresh node on each host, waits until the mapping is proven, and has one of them dial the other.
func (w *world) connectMapped(t *testing.T, near, far home, outwards bool) error {
	t.Helper()
	a := w.join(t, near, bodkin.Config{Name: "ada"})
	b := w.join(t, far, bodkin.Config{Name: "ben"})
	defer a.Close()
	defer b.Close()
	m := awaitMapping(t, a, isProven)
	if want := netip.AddrPortFrom(near.outside, a.Port()); m.External != want {
		return fmt.Errorf("mapped at %v, want %v", m.External, want)
	}
	return dialEcho(t, a, b, outwards)
}

// dialEcho has a dial b, or the other way round, and checks that bytes go directly.
func dialEcho(t *testing.T, a, b *bodkin.Node, outwards bool) error {
	if !outwards {
		a, b = b, a
	}
	echo(t, b, "echo")
	conn, err := a.Dial(t.Context(), b.Name(), "echo")
	if err != nil {
		return err
	}
	defer conn.Close()
	if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
		return fmt.Errorf("echo: got %q, %v", answer, err)
	}
	if path := conn.Path(); path.Kind != bodkin.Direct {
		return fmt.Errorf("path %v to %v, want direct", path.Kind, path.Remote)
	}
	return nil
}

// TestADialThatComesBeforeTheMappingFindsIt dials as soon as both have joined: the mapping is asked for while the attempt runs.
func TestADialThatComesBeforeTheMappingFindsIt(t *testing.T) {
	const runs = 10
	w := newWorld(t)
	near, _ := mappingHome(t, w, allProtocols)
	far := behind(w.lab.NAT("far", natlab.Symmetric()), "b")
	w.delays(near, far, 4*time.Millisecond, 6*time.Millisecond, 5*time.Millisecond)
	for run := range runs {
		b := w.join(t, far, bodkin.Config{Name: "ben"})
		a := w.join(t, near, bodkin.Config{Name: "ada", DialOnly: true})
		began := time.Now()
		if err := dialEcho(t, a, b, true); err != nil {
			t.Errorf("run %d: %v", run, err)
		}
		t.Logf("direct after %v", time.Since(began).Round(time.Millisecond))
		a.Close()
		b.Close()
	}
}

// TestTwoNodesWithOnePortAreBothMapped has two hosts of one home use the same port: one of them gets another one outside, and is
// reached there all the same.
func TestTwoNodesWithOnePortAreBothMapped(t *testing.T) {
	w := newWorld(t)
	near, daemon := mappingHome(t, w, allProtocols)
	far := behind(w.lab.NAT("far", natlab.Symmetric()), "c")
	a := w.join(t, near, bodkin.Config{Name: "ada", Port: 40000})
	awaitMapping(t, a, isProven)
	b := w.join(t, behind(near.nat, "b"), bodkin.Config{Name: "ben", Port: 40000})
	m := awaitMapping(t, b, isProven)
	if m.External.Port() == 40000 {
		t.Errorf("both are mapped at %v", m.External)
	}
	c := w.join(t, far, bodkin.Config{Name: "cid"})
	if err := dialEcho(t, c, a, true); err != nil {
		t.Errorf("first: %v", err)
	}
	if err := dialEcho(t, c, b, true); err != nil {
		t.Errorf("second: %v", err)
	}
	a.Close()
	if rules, err := daemon.Forwarded(); len(rules) != 1 || err != nil {
		t.Errorf("after one has gone: %q, %v", rules, err)
	}
}

// TestAMappingBehindAnotherNATIsNotOffered puts the home behind a carrier's NAT.
func TestAMappingBehindAnotherNATIsNotOffered(t *testing.T) {
	for name, inside := range map[string]string{"private": "", "public by its looks": "11.1.0.0/24"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			options, at := []natlab.Option{}, "100.64.0.9"
			options = append(options, natlab.Inside("100.64.0.0/24"))
			if inside != "" {
				options, at = []natlab.Option{natlab.Inside(inside)}, "11.1.0.9"
			}
			carrier := w.lab.NAT("carrier", natlab.PortRestrictedCone(), options...)
			nat := carrier.KernelNAT("home", natlab.Kernel{}, natlab.At(at))
			var lines []string
			if inside == "" {
				lines = append(lines, "ext_ip=11.9.9.9") // what the gateway believes, which is not so either
			}
			natlab.TestMiniupnpd(t, nat, allProtocols, lines...)
			a := w.join(t, behind(nat, "a"), bodkin.Config{Name: "ada"})
			m := awaitMapping(t, a, isProblem)
			if m.Proven || !strings.Contains(m.Problem, "another NAT") {
				t.Errorf("got %+v, want that another NAT is in front", m)
			}
			for _, f := range w.lab.Flows() {
				if f.From == "s" && f.SYNs > 0 && f.Dst != a.Status().Reflexive { // where it measures filtering
					t.Errorf("the server dialled %v", f.Dst)
				}
			}
		})
	}
}

// TestPortMappingCanBeSwitchedOff leaves the gateway alone.
func TestPortMappingCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t)
	near, daemon := mappingHome(t, w, allProtocols)
	a := w.join(t, near, bodkin.Config{Name: "ada", NoPortMapping: true, NoLAN: true})
	if m := a.Status().PortMapping; m.Problem != "switched off" {
		t.Errorf("got %+v", m)
	}
	a.Close()
	for _, f := range w.lab.Flows() {
		if f.Protocol == "udp" && f.From == near.Name() {
			t.Errorf("%s sent UDP to %v", f.From, f.Dst)
		}
	}
	if rules, err := daemon.Forwarded(); len(rules) > 0 || err != nil {
		t.Errorf("mapped: %q, %v", rules, err)
	}
}
