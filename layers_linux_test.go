package bodkin_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// A gateway that maps ports though its own address is private, which miniupnpd refuses to do and others do not.
type gateway struct {
	router *natlab.Host
	addr   netip.Addr // outside
	conn   net.PacketConn
}

// mapAnyway has a kernel NAT answer NAT-PMP (RFC 6886) until the test ends.
func mapAnyway(t *testing.T, nat *natlab.NAT) {
	t.Helper()
	g := &gateway{router: nat.Router(), addr: nat.Addr()}
	check(t, g.nft("add table inet anyway; add chain inet anyway in { type nat hook prerouting priority dstnat; }"))
	check(t, g.router.Do(func() (err error) {
		g.conn, err = net.ListenPacket("udp4", netip.AddrPortFrom(nat.Gateway(), 5351).String())
		return err
	}))
	ended := make(chan struct{})
	t.Cleanup(func() { g.conn.Close(); <-ended })
	go func() {
		defer close(ended)
		b := make([]byte, 100)
		for {
			n, from, err := g.conn.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := g.answer(b[:n], from.(*net.UDPAddr).AddrPort().Addr()); answer != nil {
				g.conn.WriteTo(answer, from)
			}
		}
	}()
}

func nftPath() string {
	if path, err := exec.LookPath("nft"); err == nil {
		return path
	}
	return "/usr/sbin/nft" // where users have no path to
}

func (g *gateway) nft(commands string) error {
	cmd := exec.Command(nftPath(), "-f", "-")
	cmd.Stdin = strings.NewReader(commands)
	return g.router.Do(func() error { // what a thread starts is in its namespace
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// answer is what the gateway says to a request; nil: nothing.
func (g *gateway) answer(request []byte, from netip.Addr) []byte {
	answer := func(opcode byte, rest ...byte) []byte {
		return append([]byte{0, 128 + opcode, 0, 0, 0, 0, 0, 100}, rest...) // 100 s since it began
	}
	switch {
	case len(request) == 2 && request[0] == 0 && request[1] == 0:
		return answer(0, g.addr.AsSlice()...)
	case len(request) == 12 && request[0] == 0 && request[1] == 2:
		port := binary.BigEndian.Uint16(request[4:])
		if binary.BigEndian.Uint32(request[8:]) > 0 {
			rule := fmt.Sprintf("add rule inet anyway in iifname wan tcp dport %d dnat ip to %v:%d", port, from, port)
			if err := g.nft("flush chain inet anyway in; " + rule); err != nil {
				return nil
			}
		}
		ports := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, port), port)
		return answer(2, append(ports, request[8:12]...)...)
	}
	return nil
}

// TestLayersOfNATs is homes in front of a carrier's NAT, of which the first maps ports.
func TestLayersOfNATs(t *testing.T) {
	doesNot := natlab.CarrierGrade()
	doesNot.Hairpinning = natlab.HairpinNone
	for _, c := range []struct {
		name    string
		carrier natlab.Behavior
		maps    bool
		far     func(w *world, carrier, first *natlab.NAT) *natlab.NAT
		remote  string // of the path, as the far node sees it; empty: relayed
	}{
		{"a home elsewhere", doesNot, true, func(w *world, _, _ *natlab.NAT) *natlab.NAT {
			return w.lab.NAT("far", natlab.PortRestrictedCone())
		}, "198.51.100.1"},
		{"the same home", doesNot, true, func(_ *world, _, first *natlab.NAT) *natlab.NAT { return first }, "10.77.0.2"},
		{"two homes of a carrier that does not, one maps", doesNot, true, secondHome, "100.64.0.9"},
		{"two homes of a carrier that does not, none maps", doesNot, false, secondHome, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, server.Config{NoRelay: c.remote != ""})
			carrier := w.lab.NAT("carrier", c.carrier, natlab.At("198.51.100.1"), natlab.Inside("100.64.0.0/24"))
			first := carrier.KernelNAT("first", natlab.Kernel{}, natlab.At("100.64.0.9"), natlab.Inside("10.77.0.0/24"))
			config := bodkin.Config{Name: "ada", NoPortMapping: !c.maps, NoLAN: true}
			if c.maps {
				mapAnyway(t, first)
			}
			a := w.join(t, behind(first, "a"), config)
			if c.maps {
				m := awaitMapping(t, a, func(m bodkin.PortMapping) bool { return m.Problem != "" && m.External.IsValid() })
				if m.Proven || !strings.Contains(m.Problem, "another NAT") {
					t.Errorf("the mapping is %+v, want that another NAT is in front", m)
				}
			}
			config.Name, config.NoPortMapping = "ben", true
			b := w.join(t, behind(c.far(w, carrier, first), "b"), config)
			echo(t, a, "echo")
			conn, err := b.Dial(t.Context(), "ada", "echo")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
				t.Errorf("echo: got %q, %v", answer, err)
			}
			path := conn.Path()
			if relayed := c.remote == ""; relayed != (path.Kind == bodkin.Relayed) || !relayed && path.Remote.Addr().String() != c.remote {
				t.Errorf("path %v to %v, want %s", path.Kind, path.Remote, c.remote)
			}
		})
	}
}

func secondHome(_ *world, carrier, _ *natlab.NAT) *natlab.NAT {
	return carrier.KernelNAT("second", natlab.Kernel{}, natlab.At("100.64.0.10"))
}
