package rounds

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

func TestANewPortIsAsSureAsTheTwoNetworksLetIt(t *testing.T) {
	behind := func(mapping, filtering natbehavior.Dependence, allocation natbehavior.Allocation) Side {
		return Side{Report: natbehavior.Report{Mapping: mapping, Filtering: filtering, Allocation: allocation}}
	}
	const (
		none, independent  = natbehavior.None, natbehavior.EndpointIndependent
		address, both      = natbehavior.AddressDependent, natbehavior.AddressAndPortDependent
		preserving, random = natbehavior.Preserving, natbehavior.Random
	)
	public := behind(none, none, preserving)
	full := behind(independent, independent, random)
	restricted := behind(independent, address, random)
	home := behind(independent, both, preserving)
	carrier := behind(independent, both, natbehavior.Block)
	symmetric := behind(both, both, random)
	firewall := behind(none, both, natbehavior.AllocationUnknown)
	forwarded := symmetric
	forwarded.Mapped = true
	proxied := home
	proxied.Proxied = true
	for _, test := range []struct {
		name          string
		leaves, stays Side
		want          Certainty
	}{
		{"to a public node", symmetric, public, Sure},
		{"to a full cone", carrier, full, Sure},
		{"to a forwarded port", carrier, forwarded, Sure},
		{"to a restricted cone, which knows the address", symmetric, restricted, Sure},
		{"from a home to a home", home, home, Foretold},
		{"from a home to a carrier's network", home, carrier, Foretold},
		{"from a carrier's network to a home", carrier, home, Blind},
		{"from a full cone with ports at random", full, home, Blind},
		{"from a firewall, behind which nothing is translated", firewall, home, Foretold},
		{"from a symmetric NAT", symmetric, home, Hopeless},
		{"to a symmetric NAT", home, symmetric, Hopeless},
		{"through a proxy", proxied, home, Hopeless},
		{"to a proxy", home, proxied, Hopeless},
		{"nothing is known", Side{}, Side{}, Foretold},
	} {
		if got := Fresh(test.leaves, test.stays); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestBothBeginTogether plays question and reply: the reply leaves at 0, and the asker's SYN when it has come.
func TestBothBeginTogether(t *testing.T) {
	rejecting := Side{Report: natbehavior.Report{Unsolicited: natbehavior.Reset}}
	for _, test := range []struct {
		name         string
		rtt          time.Duration
		asker, asked Side
		want         time.Duration
	}{
		{"half of the round trip", 80 * ms, Side{}, Side{}, 40 * ms},
		{"both reject: the same", 80 * ms, rejecting, rejecting, 40 * ms},
		{"the asked one's network rejects: it goes first", 80 * ms, Side{}, rejecting, 0},
		{"the asker's rejects: it goes first", 80 * ms, rejecting, Side{}, 50 * ms},
		{"not known", 0, Side{}, Side{}, 0},
		{"silly", time.Hour, Side{}, Side{}, maxWait},
		{"less than nothing", -time.Hour, Side{}, Side{}, 0},
	} {
		if got := AskedDelay(test.rtt, test.asker, test.asked); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
