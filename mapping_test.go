package bodkin

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/portmap"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

func TestAMappingBehindAnotherNATIsToldToTheRoomAlone(t *testing.T) {
	for external, want := range map[string]bool{
		"100.64.0.9:4001": true, "192.168.0.2:4001": true,
		"203.0.113.7:4001": false, "0.0.0.0:4001": false, "169.254.1.1:4001": false, "127.0.0.1:4001": false,
	} {
		n := &Node{}
		n.mapping.state.Mapping = &portmap.Mapping{External: netip.MustParseAddrPort(external)}
		c, ok := n.innerMapping()
		if ok != want || ok && c.Addr.String() != external {
			t.Errorf("%s: %v, %v", external, c, ok)
		}
	}
	if _, ok := (&Node{}).innerMapping(); ok {
		t.Error("told without a mapping")
	}
}

func TestAMappingIsOfferedWhereTheServerSeesTheNode(t *testing.T) {
	state := func(observed string, holes ...string) rendezvous.State {
		s := rendezvous.State{}
		if observed != "" {
			s.Observed = netip.MustParseAddrPort(observed)
		}
		for _, hole := range holes {
			s.Holes = append(s.Holes, rendezvous.Observation{Seen: netip.MustParseAddrPort(hole)})
		}
		return s
	}
	for _, row := range []struct {
		name    string
		gateway string // its external endpoint; empty: no mapping
		err     error
		server  rendezvous.State
		offer   string
		problem string
	}{
		{name: "seen there", gateway: "203.0.113.7:4001", server: state("203.0.113.7:4001"), offer: "203.0.113.7:4001"},
		{name: "at another port", gateway: "203.0.113.7:4002", server: state("203.0.113.7:61000"), offer: "203.0.113.7:4002"},
		{name: "by a hole connection only", gateway: "203.0.113.7:4001", server: state("192.0.2.1:4001", "203.0.113.7:4001"), offer: "203.0.113.7:4001"},
		{name: "server inside", gateway: "10.0.0.7:4001", server: state("10.0.0.7:4001"), offer: "10.0.0.7:4001"},
		{name: "the gateway does not know", gateway: "0.0.0.0:4002", server: state("203.0.113.7:4001"), offer: "203.0.113.7:4002"},
		{name: "not seen yet", gateway: "203.0.113.7:4001"},
		{name: "carrier's NAT", gateway: "100.64.0.9:4001", server: state("203.0.113.7:4001"), problem: "private"},
		{name: "two routers", gateway: "192.168.0.2:4001", server: state("203.0.113.7:4001"), problem: "private"},
		{name: "tunnel", gateway: "203.0.113.7:4001", server: state("198.51.100.1:4001"), problem: "sees this node at 198.51.100.1"},
		{name: "none yet", server: state("203.0.113.7:4001")},
		{name: "refused", err: &portmap.RefusedError{Protocol: portmap.PCP, Text: "not authorized"}, problem: "refuses by PCP: not authorized"},
		{name: "none offered", err: fmt.Errorf("x: %w", portmap.ErrNotOffered), problem: "none of PCP"},
		{name: "no gateway", err: portmap.ErrNoGateway, problem: "no gateway"},
	} {
		gateway := portmap.State{Err: row.err}
		if row.gateway != "" {
			gateway.Mapping = &portmap.Mapping{External: netip.MustParseAddrPort(row.gateway)}
		}
		offer, problem := judgeMapping(gateway, row.server)
		if got := offer.String(); (offer.IsValid() || row.offer != "") && got != row.offer {
			t.Errorf("%s: offered at %v, want %q", row.name, offer, row.offer)
		}
		if row.problem == "" && problem != "" || !strings.Contains(problem, row.problem) {
			t.Errorf("%s: problem %q, want %q", row.name, problem, row.problem)
		}
	}
}
