package candidate

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// FuzzSelectNeverDialsWhatIsForbidden plays a peer and a server that lie as they
// like: they choose the candidates and what was observed. Whatever they choose, the
// result keeps the promises of DESIGN.md, section 6, stated here again with package
// net instead of the code under test.
func FuzzSelectNeverDialsWhatIsForbidden(f *testing.F) {
	seed := func(observed, server string, peer ...string) {
		var b []byte
		for _, c := range candidates(peer...) {
			b = append(b, byte(c.Type))
			b = binary.BigEndian.AppendUint16(b, c.Addr.Port())
			a := c.Addr.Addr().As16()
			b = append(b, a[:]...)
		}
		o := netip.MustParseAddr(observed).As16()
		s := netip.MustParseAddr(server).As16()
		f.Add(b, o[:], s[:])
	}
	seed("198.51.100.9", "203.0.113.200", "host 192.168.1.77:5000", "server-reflexive 198.51.100.9:5000", "host 10.0.0.1:80")
	seed("198.51.100.9", "203.0.113.200", "host 8.8.8.8:5000", "host 10.0.0.1:5000", "host [2001:db8::1]:5000")
	seed("169.254.169.254", "203.0.113.200", "host 169.254.169.254:5000")
	seed("224.0.0.1", "203.0.113.200", "host 224.0.0.1:5000")
	seed("fe80::1", "203.0.113.200", "host [fe80::1]:5000")
	seed("203.0.113.7", "203.0.113.200", "host 10.0.0.1:5000", "host 169.254.169.254:5000", "host [fe80::1]:5000")
	seed("127.0.0.1", "127.0.0.1", "server-reflexive 127.0.0.1:5000", "host [::1]:5000", "host [::ffff:127.0.0.1]:5000")
	seed("10.2.0.9", "10.0.0.1", "server-reflexive 10.2.0.9:5000", "host [64:ff9b::a00:1]:5000", "host 255.255.255.255:5000")

	f.Fuzz(func(t *testing.T, peer, observed, server []byte) {
		r := home()
		r.Observed, r.Server = nil, netip.Addr{}
		if a, ok := netip.AddrFromSlice(observed); ok {
			r.Observed = []netip.AddrPort{netip.AddrPortFrom(a, 50000)}
		}
		if a, ok := netip.AddrFromSlice(server); ok {
			r.Server = a
		}
		all := decode(peer)
		dial, refused := r.Select(all)
		if len(dial) > MaxRound || len(dial)+len(refused) > len(all) {
			t.Fatalf("%d dialled and %d refused of %d", len(dial), len(refused), len(all))
		}
		if !slices.IsSortedFunc(dial, func(a, b Candidate) int { return int(b.Priority()>>8) - int(a.Priority()>>8) }) {
			t.Errorf("not best first: %v", dial)
		}
		for i, c := range dial {
			if slices.ContainsFunc(dial[:i], func(b Candidate) bool { return b.Addr == c.Addr }) {
				t.Errorf("%v twice", c)
			}
			promise(t, r, c)
		}
		for _, refusal := range refused {
			if refusal.Reason == "" {
				t.Errorf("%v refused without a reason", refusal.Candidate)
			}
		}
	})
}

// promise checks that c is one of the candidates that may be dialled under r.
func promise(t *testing.T, r Rules, c Candidate) {
	t.Helper()
	ip := net.IP(c.Addr.Addr().AsSlice())
	isAt := func(a netip.Addr) bool { return ip.Equal(net.IP(a.AsSlice())) }
	observed := len(r.Observed) == 1 && isAt(r.Observed[0].Addr())
	server := net.IP(r.Server.AsSlice())
	if c.Addr.Port() < 1024 {
		t.Errorf("%v: port below 1024", c)
	}
	if ip.IsLoopback() {
		if !observed || !server.IsLoopback() {
			t.Errorf("%v: loopback, but the server %v saw %v", c, r.Server, r.Observed)
		}
		return
	}
	if !ip.IsGlobalUnicast() || ip.Equal(net.IPv4bcast) || ip.Equal(net.IPv4(100, 100, 100, 200)) {
		t.Errorf("%v is dialled", c)
	}
	_, shared, _ := net.ParseCIDR("100.64.0.0/10")
	private := func(ip net.IP) bool { return ip.IsPrivate() || shared.Contains(ip) }
	if !private(ip) {
		if !observed {
			t.Errorf("%v: public, but the server saw %v", c, r.Observed)
		}
		return
	}
	_, lan4, _ := net.ParseCIDR("192.168.1.0/24")
	_, lan6, _ := net.ParseCIDR("fd12::/64")
	sameNAT := len(r.Observed) == 1 && r.Observed[0].Addr().Unmap() == r.Reflexive[0].Addr()
	if !lan4.Contains(ip) && !lan6.Contains(ip) && !sameNAT && !(observed && private(server)) {
		t.Errorf("%v: private, but the server %v saw %v", c, r.Server, r.Observed)
	}
}

// decode reads candidates of 19 bytes: type, port, address.
func decode(b []byte) []Candidate {
	var all []Candidate
	for ; len(b) >= 19; b = b[19:] {
		addr := netip.AddrFrom16([16]byte(b[3:19]))
		all = append(all, Candidate{Type(b[0]), netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[1:]))})
	}
	return all
}
