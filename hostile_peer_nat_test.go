package bodkin_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/wire"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// A liar is a member of the room, out in the internet, that has a session with a node inside a NAT and asks it for connections.
type liar struct {
	*bodkin.Node
	world   *world
	outside netip.Addr // of the node
	lab     *natlab.Lab
	host    *natlab.Host // the node's
	node    *bodkin.Node
}

// liarAt is where the liar is.
const liarAt = "203.0.113.66"

func newLiar(t *testing.T) *liar {
	t.Helper()
	w := newWorld(t)
	nat := w.lab.NAT("home", natlab.PortRestrictedCone())
	host := nat.Host("a")
	l := &liar{world: w, lab: w.lab, host: host, outside: nat.Addr()}
	l.node = w.join(t, home{Host: host}, bodkin.Config{Name: "ada", NoPortMapping: true})
	l.Node = w.join(t, home{Host: w.lab.Host("m", natlab.At(liarAt))}, bodkin.Config{Name: "mallory", NoPortMapping: true})
	if _, err := l.Ping(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	return l
}

// further is a question with a half of these endpoints.
func further(hosts, outside []string) *wire.Ask {
	f := &wire.Further{Attempt: make([]byte, 16), Fresh: wire.Further_FRESH_ASKER, Half: &wire.Half{Outside: endpoints(outside)}}
	rand.Read(f.Attempt)
	for _, e := range endpoints(hosts) {
		f.Half.Candidates = append(f.Half.Candidates, &wire.Candidate{Type: wire.CandidateType_CANDIDATE_TYPE_HOST, Endpoint: e})
	}
	return &wire.Ask{Body: &wire.Ask_Further{Further: f}}
}

// dialled is the connections that the node has begun, but for those to itself by its own NAT, which are measurements.
func (l *liar) dialled() []netip.AddrPort {
	return slices.DeleteFunc(dialled(l.lab, l.host), func(to netip.AddrPort) bool { return to.Addr() == l.outside })
}

// awaitDialled waits until the node has sent a SYN there.
func (l *liar) awaitDialled(t *testing.T, to string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !slices.Contains(l.dialled(), netip.MustParseAddrPort(to)); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("no SYN to %v: the test shows nothing", to)
		}
	}
}

// TestAHostilePeerNamesVictimsInVain: a peer may name ports of its own address, and nobody else's.
//
// Seen to fail with every address of a half taken for one at which the peer was seen, and without the limit on questions.
func TestAHostilePeerNamesVictimsInVain(t *testing.T) {
	const marker = liarAt + ":50000"
	for _, c := range []struct {
		name string
		asks []*wire.Ask
		most int // connections to the liar's own address
	}{
		{"public addresses outside", []*wire.Ask{further(nil, several(victim, 40000, 4))}, 1},
		{"public addresses as its own", []*wire.Ask{further(several(victim, 40000, 16), nil)}, 1},
		{"private addresses of the node's network", []*wire.Ask{further(nil, several("10.1.0.9", 5000, 4))}, 1},
		{"private addresses of another network", []*wire.Ask{further(several("192.168.77.1", 5000, 16), several("192.168.77.1", 6000, 4))}, 1},
		{"loopback and metadata", []*wire.Ask{further([]string{"127.0.0.1:5000", "169.254.169.254:8080", "[::1]:5000"}, []string{"127.0.0.1:5000"})}, 1},
		{"low ports of its own", []*wire.Ask{further(several(liarAt, 20, 16), several(liarAt, 80, 4))}, 1},
		{"many ports of its own", []*wire.Ask{further(several(liarAt, 40000, 16), several(liarAt, 41000, 4))}, 1 + 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLiar(t)
			local := watchLoopback(t, l.host)
			before := len(l.dialled())
			for _, ask := range append(c.asks, further(nil, []string{marker})) {
				if _, err := l.Ask(t.Context(), "ada", ask); err != nil {
					t.Fatal(err)
				}
			}
			l.awaitDialled(t, marker)
			all := l.dialled()
			if n := len(all) - before; n > c.most {
				t.Errorf("%d connections were begun, want at most %d", n, c.most)
			}
			for _, to := range all {
				if to.Addr().String() != liarAt {
					t.Errorf("a SYN went to %v", to)
				}
			}
			if n := local.Load(); n > 0 {
				t.Errorf("%d connections came to the node's own machine", n)
			}
		})
	}
}

// TestAPeerThatAsksWithoutEndIsBounded floods a node with questions, good ones and garbage.
func TestAPeerThatAsksWithoutEndIsBounded(t *testing.T) {
	t.Parallel()
	l := newLiar(t)
	before := len(l.dialled())
	began := time.Now()
	var work sync.WaitGroup
	for i := range 100 {
		work.Go(func() { l.Ask(t.Context(), "ada", further(nil, several(liarAt, 40000+4*i, 4))) })
	}
	for _, garbage := range [][]byte{bytes.Repeat([]byte{0xff}, 64), {0xff, 0x7f, 1, 2}, {0}, {4, 0xfa, 0x7f, 1, 'x'}, {}} {
		work.Go(func() {
			stream, err := l.OpenControl(t.Context(), "ada")
			if err != nil {
				t.Error(err)
				return
			}
			defer stream.Close()
			stream.Write(garbage)
			stream.(interface{ CloseWrite() error }).CloseWrite()
			stream.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, stream); isTimeout(err) {
				t.Errorf("% x: the stream stays open", garbage)
			}
		})
	}
	work.Wait()
	n := len(l.dialled()) - before
	most := (24 + int(2*time.Since(began).Seconds()+1)) * 4
	t.Logf("%d connections begun in %v", n, time.Since(began))
	if n > most || n == 0 {
		t.Errorf("%d connections were begun, want at most %d, and some", n, most)
	}
	if running := l.node.RunningAttempts(); running > 4 {
		t.Errorf("%d attempts run at once, want at most 4", running)
	}
	if _, err := l.Ping(t.Context(), "ada"); err != nil {
		t.Errorf("the session has suffered: %v", err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// TestTheControlServiceIsNobodys: applications can neither listen on it nor dial it.
func TestTheControlServiceIsNobodys(t *testing.T) {
	if err := bodkin.CheckService(wire.ControlService); err == nil {
		t.Error("an application may use the control service")
	}
	if err := bodkin.CheckService(fmt.Sprint(wire.ControlService, "2")); err != nil {
		t.Error(err)
	}
}
