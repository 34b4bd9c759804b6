package netwatch

import (
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

func TestOnlyDefaultRoutesMatter(t *testing.T) {
	for _, row := range []struct {
		name string
		kind uint16
		data []byte
		want bool
	}{
		{"an address", unix.RTM_NEWADDR, nil, true},
		{"a link", unix.RTM_DELLINK, nil, true},
		{"the default route", unix.RTM_NEWROUTE, []byte{unix.AF_INET, 0, 0}, true},
		{"another route", unix.RTM_DELROUTE, []byte{unix.AF_INET, 24, 0}, false},
		{"a message that is cut", unix.RTM_NEWROUTE, []byte{unix.AF_INET}, false},
	} {
		if got := matters(row.kind, row.data); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

func TestTheKernelTellsOfAddressesLinksAndRoutes(t *testing.T) {
	host := natlab.Test(t, natlab.Config{}).Host("h")
	events, stop, err := listen(host.Do)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	link := func() (l netlink.Link, err error) {
		err = host.Do(func() error { l, err = netlink.LinkByName("eth0"); return err })
		return l, err
	}
	eth0, err := link()
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"an address comes", func() error {
			addr, _ := netlink.ParseAddr("192.0.2.7/24")
			return netlink.AddrAdd(eth0, addr)
		}},
		{"the link goes down", func() error { return netlink.LinkSetDown(eth0) }},
		{"the link comes up", func() error { return netlink.LinkSetUp(eth0) }},
		{"a default route comes", func() error {
			everywhere := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
			return netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: everywhere, Priority: 77, Scope: netlink.SCOPE_LINK})
		}},
	} {
		for len(events) > 0 {
			<-events
		}
		if err := host.Do(change.make); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		select {
		case <-events:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: nothing was told", change.name)
		}
	}
}

func TestBeatsComeUntilTheyAreStopped(t *testing.T) {
	ticks, stop, err := beats(10 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		select {
		case <-ticks:
		case <-time.After(10 * time.Second):
			t.Fatal("no beat")
		}
	}
	stop() // and waits for the goroutine
}
