package candidate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// home is a node at 192.168.1.5 behind 203.0.113.7, whose peer the server saw at
// 198.51.100.9.
func home() Rules {
	return Rules{
		Port:      40000,
		Links:     []netip.Prefix{netip.MustParsePrefix("192.168.1.5/24"), netip.MustParsePrefix("fd12::5/64")},
		Reflexive: endpoints("203.0.113.7:41000"),
		Observed:  endpoints("198.51.100.9:50000"),
		Server:    netip.MustParseAddr("203.0.113.200"),
	}
}

// neighbour is home when the peer is behind the same NAT.
func neighbour() Rules {
	r := home()
	r.Observed = endpoints("203.0.113.7:50000")
	return r
}

// sixth is home when both nodes have IPv6 and the server saw it.
func sixth() Rules {
	r := home()
	r.Links = append(r.Links, netip.MustParsePrefix("2001:db8:1::5/64"))
	r.Reflexive = endpoints("[2001:db8:1::5]:40000")
	r.Observed = endpoints("[2001:db8:2::9]:50000")
	return r
}

// office is a node that reaches the server without a NAT in a private network, in
// which the peer is elsewhere.
func office() Rules {
	r := home()
	r.Reflexive = endpoints("192.168.1.5:40000")
	r.Observed = endpoints("10.2.0.9:50000")
	r.Server = netip.MustParseAddr("10.0.0.1")
	return r
}

// machine is a node on the machine of the server, where the peer is too.
func machine() Rules {
	r := home()
	r.Reflexive = endpoints("127.0.0.1:40000")
	r.Observed = endpoints("127.0.0.1:50000")
	r.Server = netip.MustParseAddr("127.0.0.1")
	return r
}

func TestEachRuleOfWhatMayBeDialled(t *testing.T) {
	const (
		dialled    = ""
		unobserved = "a public address at which the server did not see the peer"
		elsewhere  = "a private address of another network"
		serverOnly = "a private address that only the server names"
		self       = "this node itself"
		low        = "port below 1024"
		metadata   = "the metadata service of a cloud"
		reserved   = "a reserved address"
	)
	for _, row := range []struct {
		rules Rules
		typ   Type
		addr  string
		want  string // reason of the refusal
	}{
		// Public: only where the server saw the peer.
		{home(), ServerReflexive, "198.51.100.9:50000", dialled},
		{home(), ServerReflexive, "[::ffff:198.51.100.9]:50000", dialled},
		{home(), Mapped, "198.51.100.9:6000", dialled}, // another port of the same address
		{home(), Host, "198.51.100.9:50000", dialled},
		{home(), ServerReflexive, "198.51.100.10:50000", unobserved},
		{home(), Mapped, "203.0.113.200:50000", unobserved},
		{home(), Host, "8.8.8.8:50000", unobserved},
		{Rules{}, ServerReflexive, "198.51.100.9:50000", unobserved},

		// IPv6 of the world is public: the same /64 is not the same node, not even
		// on this node's own link.
		{sixth(), Host, "[2001:db8:2::9]:50000", dialled},
		{sixth(), Host, "[2001:db8:2::a]:50000", unobserved},
		{sixth(), Host, "[2001:db8:1::9]:50000", unobserved},

		// Private: on a link, or behind the same NAT.
		{home(), Host, "192.168.1.77:50000", dialled},
		{home(), Host, "192.168.2.77:50000", elsewhere},
		{home(), Host, "10.0.0.7:50000", elsewhere},
		{home(), Host, "172.16.0.7:50000", elsewhere},
		{home(), Host, "100.64.0.7:50000", elsewhere},
		{home(), Host, "[fd12::77]:50000", dialled},
		{home(), Host, "[fd13::77]:50000", elsewhere},
		{home(), Host, "[::ffff:10.0.0.7]:50000", elsewhere},
		{neighbour(), Host, "192.168.2.77:50000", dialled},
		{neighbour(), Host, "10.0.0.7:50000", dialled},
		{neighbour(), Host, "100.64.0.7:50000", dialled},
		{neighbour(), Host, "[fd13::77]:50000", dialled},
		{neighbour(), ServerReflexive, "203.0.113.7:50000", dialled}, // hairpinning
		{neighbour(), Host, "8.8.8.8:50000", unobserved},
		{Rules{}, Host, "10.0.0.7:50000", elsewhere},

		// Private, and the server is inside too: where it saw the peer.
		{office(), ServerReflexive, "10.2.0.9:50000", dialled},
		{office(), Host, "10.2.0.9:50000", dialled},
		{office(), Host, "10.2.0.10:50000", elsewhere},
		{func() Rules { r := office(); r.Server = home().Server; return r }(),
			ServerReflexive, "10.2.0.9:50000", serverOnly}, // a server outside cannot have seen that
		{func() Rules { r := home(); r.Observed = endpoints("192.168.1.1:8080"); return r }(),
			ServerReflexive, "192.168.1.1:8080", serverOnly}, // or have us try the machines of our own network

		// Loopback: only if all three are on one machine.
		{machine(), ServerReflexive, "127.0.0.1:50000", dialled},
		{machine(), ServerReflexive, "[::ffff:127.0.0.1]:50000", dialled},
		{machine(), Host, "127.0.0.2:50000", "a loopback address"},
		{machine(), Host, "[::1]:50000", "a loopback address"},
		{machine(), Host, "127.0.0.1:40000", self},
		{func() Rules { r := machine(); r.Server = home().Server; return r }(),
			ServerReflexive, "127.0.0.1:50000", "a loopback address"},
		{home(), Host, "127.0.0.1:50000", "a loopback address"},
		{home(), Host, "[::1]:50000", "a loopback address"},
		{home(), Host, "[::ffff:127.0.0.1]:50000", "a loopback address"},

		// Never, whatever the server saw.
		{seen("0.0.0.0"), Host, "0.0.0.0:50000", "an unspecified address"},
		{seen("0.1.2.3"), Host, "0.1.2.3:50000", "an unspecified address"},
		{seen("::"), Host, "[::]:50000", "an unspecified address"},
		{seen("169.254.1.1"), Host, "169.254.1.1:50000", "a link-local address"},
		{seen("fe80::1"), Host, "[fe80::1]:50000", "a link-local address"},
		{seen("fe80::1"), Host, "[fe80::1%eth0]:50000", "an address with a zone"},
		{seen("224.0.0.1"), Host, "224.0.0.1:50000", "a multicast address"},
		{seen("ff02::1"), Host, "[ff02::1]:50000", "a multicast address"},
		{seen("255.255.255.255"), Host, "255.255.255.255:50000", "the broadcast address"},
		{seen("240.0.0.1"), Host, "240.0.0.1:50000", reserved},
		{seen("192.0.0.9"), Host, "192.0.0.9:50000", reserved},
		{seen("64:ff9b::a00:1"), Host, "[64:ff9b::a00:1]:50000", reserved},
		{seen("::10.0.0.1"), Host, "[::10.0.0.1]:50000", reserved},
		{seen("fec0::1"), Host, "[fec0::1]:50000", reserved},
		{seen("169.254.169.254"), Host, "169.254.169.254:50000", metadata},
		{seen("100.100.100.200"), Host, "100.100.100.200:50000", metadata},
		{seen("::ffff:100.100.100.200"), Host, "100.100.100.200:50000", metadata},
		{seen("168.63.129.16"), Host, "168.63.129.16:50000", metadata},
		{seen("fd00:ec2::254"), Host, "[fd00:ec2::254]:50000", metadata},
		{home(), Host, "192.168.1.255:50000", "the broadcast address of a link"},
		{home(), Host, "192.168.1.0:50000", "the broadcast address of a link"},
		{neighbour(), Host, "192.168.1.255:50000", "the broadcast address of a link"},
		{home(), ServerReflexive, "198.51.100.9:1023", low},
		{home(), ServerReflexive, "198.51.100.9:1024", dialled},
		{home(), Host, "192.168.1.77:22", low},
		{home(), Host, "192.168.1.77:0", low},

		// This node: its address may belong to a peer on the same machine, at another port.
		{home(), Host, "192.168.1.5:40000", self},
		{home(), Host, "192.168.1.5:40001", dialled},
		{neighbour(), ServerReflexive, "203.0.113.7:41000", self},
		{neighbour(), ServerReflexive, "[::ffff:203.0.113.7]:41000", self},

		// Types.
		{home(), Relayed, "198.51.100.9:50000", "a relay is not dialled as a peer"},
		{home(), 0, "198.51.100.9:50000", "unknown type"},
		{home(), 77, "198.51.100.9:50000", "unknown type"},
	} {
		t.Run(fmt.Sprintf("%v %v", row.typ, row.addr), func(t *testing.T) {
			dial, refused := row.rules.Select([]Candidate{{row.typ, netip.MustParseAddrPort(row.addr)}})
			got := dialled
			if len(refused) > 0 {
				got = refused[0].Reason
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if len(dial)+len(refused) != 1 {
				t.Errorf("got %v and %v, want one candidate", dial, refused)
			}
			for _, c := range dial {
				if c.Addr.Addr().Is4In6() {
					t.Errorf("%v is still IPv4 in IPv6 form", c)
				}
			}
		})
	}
}

func TestNoAddressIsRefused(t *testing.T) {
	dial, refused := home().Select([]Candidate{{Host, netip.AddrPort{}},
		{Host, netip.AddrPortFrom(netip.Addr{}, 5000)}})
	if len(dial) != 0 || len(refused) != 2 {
		t.Errorf("got %v and %v, want two refusals", dial, refused)
	}
}

func TestCandidatesAreMergedAndBestFirst(t *testing.T) {
	r := neighbour()
	dial, refused := r.Select(candidates(
		"server-reflexive 203.0.113.7:50000",
		"mapped 203.0.113.7:6000",
		"host 192.168.1.77:50000",
		"host [fd12::77]:50000",
		"host 203.0.113.7:50000", // the same as the first, of a better type
		"host [::ffff:192.168.1.77]:50000",
	))
	want := []string{"host [fd12::77]:50000", "host 192.168.1.77:50000", "host 203.0.113.7:50000",
		"mapped 203.0.113.7:6000"}
	if got := texts(dial); !slices.Equal(got, want) || len(refused) != 0 {
		t.Errorf("got %v and %v, want %v", got, refused, want)
	}
}

func TestManyCandidatesLeaveRoomForEachType(t *testing.T) {
	r := neighbour()
	var peer []string
	for i := range 9 {
		peer = append(peer, fmt.Sprintf("host 10.%d.0.1:50000", i))
	}
	peer = append(peer, "host [fd99::1]:50000", "mapped 203.0.113.7:6000", "server-reflexive 203.0.113.7:50000")
	dial, refused := r.Select(candidates(peer...))
	want := []string{"host [fd99::1]:50000", "host 10.0.0.1:50000", "host 10.1.0.1:50000", "host 10.2.0.1:50000",
		"mapped 203.0.113.7:6000", "server-reflexive 203.0.113.7:50000"}
	if got := texts(dial); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(refused) != len(peer)-MaxRound {
		t.Errorf("%d refused, want %d: %v", len(refused), len(peer)-MaxRound, refused)
	}
	if got, want := refused[0].String(), "host 10.3.0.1:50000: more than 6 candidates"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// seen is home when the server claims to have seen the peer, and this node, at addr.
func seen(addr string) Rules {
	r := home()
	r.Observed = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(addr), 50000)}
	r.Reflexive = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(addr), 50001)}
	return r
}

func endpoints(texts ...string) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range texts {
		all = append(all, netip.MustParseAddrPort(s))
	}
	return all
}

// candidates reads what Candidate.String writes.
func candidates(texts ...string) []Candidate {
	var all []Candidate
	for _, s := range texts {
		name, addr, _ := strings.Cut(s, " ")
		for t := Host; t <= Relayed; t++ {
			if t.String() == name {
				all = append(all, Candidate{t, netip.MustParseAddrPort(addr)})
			}
		}
	}
	return all
}

func texts(all []Candidate) []string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.String())
	}
	return texts
}
