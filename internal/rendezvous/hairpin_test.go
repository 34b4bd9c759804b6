package rendezvous

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// TestAHostileServerHasNodesDialThemselvesInVain: whether its NAT hairpins a node finds out by dialling where the server says that it sees
// it. A server that lies could have it dial the machines of its own network, or what listens on its own machine.
//
// Seen to fail: with every endpoint dialled, and with those of the fresh port.
func TestAHostileServerHasNodesDialThemselvesInVain(t *testing.T) {
	const outside = "203.0.113.7:20000"
	for name, lie := range map[string]struct {
		own, fresh string // where the node's port and a fresh one are said to be seen
		dialled    []string
	}{
		"none":                       {outside, "203.0.113.7:20001", []string{outside, "203.0.113.7:20001"}},
		"a machine at home":          {"192.168.1.1:8080", "192.168.1.1:8443", nil},
		"one at home, second":        {outside, "192.168.1.1:8080", nil},
		"a carrier's network":        {outside, "100.64.0.1:8080", nil},
		"this machine":               {"127.0.0.1:5432", "127.0.0.1:6379", nil},
		"this machine, second":       {outside, "127.0.0.1:6379", nil},
		"this machine in disguise":   {outside, "[::ffff:127.0.0.1]:6379", nil},
		"the metadata of a cloud":    {outside, "169.254.169.254:8080", nil},
		"a low port":                 {outside, "203.0.113.7:22", nil},
		"a group":                    {outside, "224.0.0.1:5000", nil},
		"a neighbour without IPv4":   {outside, "[fe80::1]:5000", nil},
		"a low port at the server's": {"192.0.2.1:25", "192.0.2.1:25", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := hairpinned(t, lie.own, lie.fresh); !slices.Equal(got, lie.dialled) {
					t.Errorf("dialled %v, want %v", got, lie.dialled)
				}
			})
		})
	}
}

// hairpinned plays a server that sees a node at one endpoint and its fresh ports at another, and returns what is dialled but the server.
func hairpinned(t *testing.T, own, fresh string) (dialled []string) {
	var s *stage
	next := uint16(50000)
	s = newStage(t, func(c *ClientConfig) {
		c.DialSample = func(_ context.Context, _, remote netip.AddrPort, started func()) (net.Conn, error) {
			near, far := net.Pipe()
			next++
			started()
			s.dialed <- &playedConn{stage: s, raw: far, remote: remote}
			return sampleConn{near, next}, nil
		}
	})
	s.run()
	s.welcomed(&wire.Welcome{PingIntervalMs: 20_000, HolePorts: []uint32{8000}, HoleToken: holeToken,
		Observed: wire.NewEndpoint(netip.MustParseAddrPort(own))}).serves(always())
	for {
		select {
		case conn := <-s.dialed:
			if conn.remote != netip.MustParseAddrPort("192.0.2.1:8000") {
				if to := conn.remote.String(); !slices.Contains(dialled, to) {
					dialled = append(dialled, to)
				}
				conn.raw.Close()
				continue
			}
			var hello wire.HoleHello
			if err := wire.Read(bufio.NewReader(conn.raw), &hello); err != nil {
				t.Fatal(err)
			}
			seen := own
			if hello.Sample {
				seen = fresh
			}
			conn.shows(seen)
		case <-time.After(15 * time.Second):
			slices.Sort(dialled)
			return dialled
		}
	}
}
