package bodkin

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
)

// side is one with those behaviours.
func side(mapping, filtering natbehavior.Dependence, allocation natbehavior.Allocation) rounds.Side {
	s := rounds.Side{Report: natbehavior.Report{Mapping: mapping, Filtering: filtering, Unsolicited: natbehavior.Dropped, Allocation: allocation,
		Last: netip.MustParseAddrPort("198.51.100.1:40000")}}
	if allocation == natbehavior.Delta {
		s.Delta = 1
	}
	return s
}

func TestProspectsAreThoseOfTheory(t *testing.T) {
	const ei, apd = natbehavior.EndpointIndependent, natbehavior.AddressAndPortDependent
	mapped := side(apd, apd, natbehavior.Random)
	mapped.Mapped = true
	searching := side(ei, apd, natbehavior.Preserving)
	searching.Search = true
	proxied := side(apd, apd, natbehavior.Random)
	proxied.Proxied = true
	// Of each kind of peer, in the order of kinds: d direct, p prediction, s search, - relayed.
	for name, c := range map[string]struct {
		own  rounds.Side
		want string
	}{
		"public":                   {side(natbehavior.None, natbehavior.None, natbehavior.Preserving), "dddddd"},
		"firewall":                 {side(natbehavior.None, apd, natbehavior.Preserving), "dddpp-"},
		"full cone":                {side(ei, ei, natbehavior.Preserving), "dddddd"},
		"restricted cone":          {side(ei, natbehavior.AddressDependent, natbehavior.Preserving), "dddddd"},
		"port restricted cone":     {side(ei, apd, natbehavior.Preserving), "dddpp-"},
		"the same, and a search":   {searching, "dddpps"},
		"symmetric":                {side(apd, apd, natbehavior.Random), "d-----"},
		"symmetric, counting":      {side(apd, apd, natbehavior.Delta), "dppp--"},
		"symmetric, but forwarded": {mapped, "dddddd"},
		"a transparent proxy":      {proxied, "------"},
	} {
		var got strings.Builder
		for _, p := range prospects(c.own) {
			switch {
			case !p.Direct:
				got.WriteByte('-')
			case p.How == "crossing":
				got.WriteByte('d')
			default:
				got.WriteByte(p.How[0])
			}
			if p.Direct == (p.Why != "") {
				t.Errorf("%s, %s: direct %v, why %q", name, p.Peers, p.Direct, p.Why)
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: got %s, want %s", name, got.String(), c.want)
		}
	}
}

func TestTheRuleThatIsInTheWayIsNamed(t *testing.T) {
	const ei, apd = natbehavior.EndpointIndependent, natbehavior.AddressAndPortDependent
	cone, symmetric := side(ei, apd, natbehavior.Preserving), side(apd, apd, natbehavior.Random)
	for want, pair := range map[string][2]rounds.Side{
		"this side's NAT uses another": {symmetric, cone},
		"their NAT uses another":       {cone, symmetric},
		"both NATs use another":        {symmetric, symmetric},
	} {
		_, why := way(pair[0], pair[1])
		if !strings.HasPrefix(why, want) {
			t.Errorf("got %q, want %q", why, want)
		}
		if names, could := strings.Contains(why, "--search"), !depends(pair[0]) || !depends(pair[1]); names != could {
			t.Errorf("%q: names the search: %v, want %v", why, names, could)
		}
	}
}

func TestAdviceIsForWhatIsWrong(t *testing.T) {
	const ei, apd = natbehavior.EndpointIndependent, natbehavior.AddressAndPortDependent
	cone, rejecting := side(ei, apd, natbehavior.Preserving), side(ei, apd, natbehavior.Preserving)
	rejecting.Unsolicited = natbehavior.Reset
	proxied := cone
	proxied.Proxied = true
	mapped := cone
	mapped.Mapped = true
	none := PortMapping{Problem: "the gateway offers none of PCP, NAT-PMP and UPnP", Gateway: netip.MustParseAddr("192.168.1.1")}
	for name, c := range map[string]struct {
		side    rounds.Side
		mapping PortMapping
		change  func(*Diagnosis)
		want    []string // how each begins
	}{
		"open":                       {side(natbehavior.None, natbehavior.None, natbehavior.Preserving), none, nil, nil},
		"forwarded":                  {mapped, PortMapping{Proven: true}, nil, nil},
		"a cone":                     {cone, none, nil, []string{"switch on UPnP, NAT-PMP or PCP in the router (192.168.1.1)", "IPv6"}},
		"a cone that has IPv6":       {cone, none, func(d *Diagnosis) { d.IPv6.Mapping = "none" }, []string{"switch on"}},
		"a cone left alone":          {cone, PortMapping{Problem: switchedOff}, nil, []string{"let Bodkin ask", "IPv6"}},
		"a carrier's NAT in front":   {cone, PortMapping{Protocol: "UPnP", Problem: "private"}, nil, []string{"the router forwards a port, which does not help", "IPv6"}},
		"ports from a block":         {side(ei, apd, natbehavior.Block), none, nil, []string{"external ports come from a block", "IPv6"}},
		"a router that rejects":      {rejecting, none, nil, []string{"switch on", "IPv6", "have the router drop"}},
		"symmetric":                  {side(apd, apd, natbehavior.Random), none, nil, []string{"switch on", "a router that uses one external port", "IPv6"}},
		"a firewall":                 {side(natbehavior.None, apd, natbehavior.Preserving), none, nil, []string{"let TCP port 40000 in", "IPv6"}},
		"a transparent proxy":        {proxied, none, nil, []string{"a transparent proxy", "switch on", "IPv6"}},
		"an HTTP proxy":              {rounds.Side{}, none, func(d *Diagnosis) { d.Proxied = true }, []string{"the server is reached through an HTTP proxy"}},
		"ports that are not shared":  {mapped, PortMapping{}, func(d *Diagnosis) { d.PortReuse = false }, []string{"several sockets cannot share"}},
		"nothing could be measured.": {rounds.Side{}, PortMapping{}, nil, nil},
	} {
		d := Diagnosis{Status: Status{PortReuse: true, PortMapping: c.mapping, IPv6: Behavior{Mapping: "unknown"}}}
		if c.change != nil {
			c.change(&d)
		}
		got := advise(d, c.side)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %q, want what begins with %q", name, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got %q, want what begins with %q", name, got[i], want)
			}
		}
	}
}
