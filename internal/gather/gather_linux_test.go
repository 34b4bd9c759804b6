package gather

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

func TestInterfacesAreThoseOfTheNamespace(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	host := lab.Host("a", natlab.At("203.0.113.10", "2001:db8::10"))
	want := map[string]bool{"host 203.0.113.10:4001": true, "host [2001:db8::10]:4001": true}
	// The kernel may take a second to tell that a new interface is running.
	ticks, deadline := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer ticks.Stop()
	for {
		interfaces, err := Interfaces(host.Do)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, c := range Hosts(interfaces, 4001) {
			got[c.String()] = true
		}
		if maps.Equal(got, want) {
			return
		}
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestStatesOfIPv6Addresses(t *testing.T) {
	got := parseAddrStates("" +
		"fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n" + // permanent
		"20010db8000100000000000000000005 04 40 00 00     eth0\n" +
		"20010db8000100000000000000007777 04 40 00 01     eth0\n" + // temporary
		"20010db8000100000000000000008888 04 40 00 20     eth0\n" + // deprecated
		"20010db8000100000000000000009999 04 40 00 41     eth0\n" + // temporary and tentative
		"20010db800010000000000000000aaaa 04 40 00 88     eth0\n" + // a duplicate
		"nonsense 04 40 00 01 eth0\n\n" +
		"20010db8000100000000000000000006 04 40 00 zz eth0")
	want := map[netip.Addr]addrState{
		netip.MustParseAddr("2001:db8:1::7777"): passing,
		netip.MustParseAddr("2001:db8:1::8888"): passing,
		netip.MustParseAddr("2001:db8:1::9999"): notUsable,
		netip.MustParseAddr("2001:db8:1::aaaa"): notUsable,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
