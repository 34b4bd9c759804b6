package gather

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
)

func TestHostsAndLinks(t *testing.T) {
	for _, row := range []struct {
		name       string
		interfaces []Interface
		hosts      []string
		links      []string
	}{
		{name: "nothing"},
		{
			name:       "both families",
			interfaces: []Interface{{"eth0", addrs("192.168.1.5/24", "fd12::5/64", "2001:db8:1::5/64")}},
			hosts:      []string{"192.168.1.5:4001", "[fd12::5]:4001", "[2001:db8:1::5]:4001"},
			links:      []string{"192.168.1.5/24", "fd12::5/64", "2001:db8:1::5/64"},
		},
		{
			name:       "what no peer can dial",
			interfaces: []Interface{{"eth0", addrs("169.254.7.7/16", "fe80::5/64", "127.0.0.2/8", "10.0.0.5/8")}},
			hosts:      []string{"10.0.0.5:4001"},
			links:      []string{"10.0.0.5/8"},
		},
		{
			name: "links inside this machine",
			interfaces: []Interface{{"docker0", addrs("172.17.0.1/16")}, {"br-9f2c", addrs("172.18.0.1/16")},
				{"virbr0", addrs("192.168.122.1/24")}, {"wlan0", addrs("192.168.1.5/24")}},
			hosts: []string{"192.168.1.5:4001"},
			links: []string{"192.168.1.5/24"},
		},
		{
			name:       "one address on two interfaces",
			interfaces: []Interface{{"eth0", addrs("10.0.0.5/24")}, {"wg0", addrs("10.0.0.5/32")}},
			hosts:      []string{"10.0.0.5:4001"},
			links:      []string{"10.0.0.5/24", "10.0.0.5/32"},
		},
		{
			name: "temporary address beside a lasting one",
			interfaces: []Interface{{"eth0", append(addrs("2001:db8:1::5/64"),
				Addr{netip.MustParsePrefix("2001:db8:1::7777/64"), true},
				Addr{netip.MustParsePrefix("2001:db8:2::7777/64"), true})}}, // the only one of its link
			hosts: []string{"[2001:db8:1::5]:4001", "[2001:db8:2::7777]:4001"},
			links: []string{"2001:db8:1::5/64", "2001:db8:1::7777/64", "2001:db8:2::7777/64"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			var hosts, links []string
			for _, h := range Hosts(row.interfaces, 4001) {
				if h.Type != candidate.Host {
					t.Errorf("%v is not a host candidate", h)
				}
				hosts = append(hosts, h.Addr.String())
			}
			for _, l := range Links(row.interfaces) {
				links = append(links, l.String())
			}
			if !slices.Equal(hosts, row.hosts) {
				t.Errorf("hosts: got %v, want %v", hosts, row.hosts)
			}
			if !slices.Equal(links, row.links) {
				t.Errorf("links: got %v, want %v", links, row.links)
			}
		})
	}
}

func TestOnlyTheServerSaysWhatItObservedAndProved(t *testing.T) {
	host := candidate.Candidate{Type: candidate.Host, Addr: netip.MustParseAddrPort("192.168.1.5:4001")}
	lie := netip.MustParseAddrPort("198.51.100.1:4001")
	seen, proven := netip.MustParseAddrPort("203.0.113.7:4001"), netip.MustParseAddrPort("203.0.113.7:4002")
	got := WithServer([]candidate.Candidate{host, {Type: candidate.ServerReflexive, Addr: lie}, {Type: candidate.Mapped, Addr: lie}},
		[]netip.AddrPort{seen}, []netip.AddrPort{proven})
	want := []candidate.Candidate{host, {Type: candidate.Mapped, Addr: proven}, {Type: candidate.ServerReflexive, Addr: seen}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The machine of the test has whatever it has; but nothing of it is loopback.
func TestInterfacesOfThisMachine(t *testing.T) {
	interfaces, err := Interfaces(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if i.Name == "" || len(i.Addrs) == 0 {
			t.Errorf("%+v has no name or no address", i)
		}
		for _, a := range i.Addrs {
			if a.Prefix.Addr().IsLoopback() || !a.Prefix.IsValid() {
				t.Errorf("%s has %v", i.Name, a.Prefix)
			}
		}
	}
}

func TestInterfacesFailsWithItsPlace(t *testing.T) {
	errElsewhere := errors.New("no such place")
	_, err := Interfaces(func(func() error) error { return errElsewhere })
	if !errors.Is(err, errElsewhere) {
		t.Errorf("got %v, want %v", err, errElsewhere)
	}
}

func TestPrefixOfWhatPackageNetGives(t *testing.T) {
	for _, row := range []struct {
		addr net.Addr
		want string
	}{
		{&net.IPNet{IP: net.IPv4(192, 168, 1, 5), Mask: net.CIDRMask(24, 32)}, "192.168.1.5/24"},
		{&net.IPNet{IP: net.IPv4(10, 0, 0, 5).To4(), Mask: net.CIDRMask(8, 32)}, "10.0.0.5/8"},
		{&net.IPNet{IP: net.ParseIP("fd12::5"), Mask: net.CIDRMask(64, 128)}, "fd12::5/64"},
		{&net.IPNet{}, ""},
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 5)}, ""},
	} {
		got := ""
		if p, ok := prefixOf(row.addr); ok {
			got = p.String()
		}
		if got != row.want {
			t.Errorf("%v: got %q, want %q", row.addr, got, row.want)
		}
	}
}

func addrs(prefixes ...string) []Addr {
	var all []Addr
	for _, p := range prefixes {
		all = append(all, Addr{Prefix: netip.MustParsePrefix(p)})
	}
	return all
}
