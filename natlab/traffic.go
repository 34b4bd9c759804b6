package natlab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	trafficHosts = 64  // neighbours that Traffic speaks for
	trafficFirst = 190 // last octet of the first one
	trafficMost  = 10_000
)

// TrafficSink is where Traffic sends its SYNs: an endpoint that nobody in a lab has unless he asks for it (RFC 5737).
func TrafficSink() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:443") }

// Traffic opens connections through the NAT, perSecond of them on average and independent of each other, as the neighbours of
// the hosts inside do: each takes a new mapping, and on a NAT that allocates ports in a sequence one of its numbers. The NAT
// translates a SYN to TrafficSink from one of 64 inside addresses, x.x.x.190 to x.x.x.253, which no host may have. Nobody
// answers. It lasts until stop, which waits for the end, or until the lab is closed.
func (n *NAT) Traffic(perSecond float64) (stop func(), err error) {
	if n.err != nil {
		return nil, n.err
	}
	if !(perSecond > 0 && perSecond <= trafficMost) {
		return nil, fmt.Errorf("natlab: NAT %s: %v connections a second; want more than 0 and at most %d", n.name, perSecond, trafficMost)
	}
	var inside netip.Prefix
	for _, p := range n.inside.prefixes {
		if p.Addr().Is4() && p.Bits() <= 24 {
			inside = p
		}
	}
	if !inside.IsValid() {
		return nil, fmt.Errorf("natlab: NAT %s: no IPv4 prefix of 24 bits or fewer inside", n.name)
	}
	t := &traffic{of: n, base: inside.Addr().As4(), dice: n.lab.newDice()}
	ended, done := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(ended) })
	n.lab.own(func() {
		defer close(done)
		t.run(perSecond, ended)
	}, end)
	return func() { end(); <-done }, nil
}

// traffic makes the SYNs of a NAT's other hosts.
type traffic struct {
	of   *NAT
	base [4]byte
	dice *rand.Rand
	sent int
}

// run is a Poisson process: the gaps between connections are exponential. A machine that was late sends what it missed.
func (t *traffic) run(perSecond float64, ended <-chan struct{}) {
	due := time.Now()
	for {
		due = due.Add(time.Duration(t.dice.ExpFloat64() / perSecond * float64(time.Second)))
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
			t.of.box.fromInside(t.of.lab.frames.clone(t.next()))
		case <-ended:
			timer.Stop()
			return
		}
	}
}

// next is a SYN from an endpoint that has sent none for the last three million.
func (t *traffic) next() []byte {
	from := t.base
	from[3] = byte(trafficFirst + t.sent%trafficHosts)
	header := make([]byte, 20)
	binary.BigEndian.PutUint16(header[0:], uint16(dynamicPorts.first+t.sent/trafficHosts%dynamicPorts.size))
	binary.BigEndian.PutUint16(header[2:], TrafficSink().Port())
	binary.BigEndian.PutUint32(header[4:], t.dice.Uint32())
	header[12] = 5 << 4
	header[13] = byte(flagSYN)
	binary.BigEndian.PutUint16(header[14:], 65535)
	t.sent++
	return ipPacket(protoTCP, netip.AddrFrom4(from), TrafficSink().Addr(), header)
}
