package natlab

import (
	"net/netip"
	"time"
)

// A Fate is what a network did with a packet.
type Fate uint8

const (
	Carried  Fate = iota // sent on its way
	Lost                 // by Link.Loss, or because a queue was full, or the link was cut meanwhile
	Cut                  // one of the two links was cut
	Unrouted             // nobody has the destination address
	Spoofed              // the sender does not own the source address
	Expired              // its time to live ran out
)

// String is a word such as "carried".
func (f Fate) String() string {
	return word(uint8(f), "carried", "lost", "cut", "unrouted", "spoofed", "expired")
}

// A Flow is the packets that one network saw from one endpoint to another.
type Flow struct {
	// Network is "internet", or the name of the NAT whose inside it is.
	Network string
	// From and To name the hosts and NATs at the two ends, as this network sees them. To is empty
	// if nobody has the address.
	From, To string
	// Src and Dst are the endpoints in the packets. The ports are zero in what has none, such as
	// ICMP errors.
	Src, Dst netip.AddrPort
	// Protocol is "tcp", "udp" or "icmp".
	Protocol string

	// Packets were carried, and Bytes is the payload in them, retransmissions included.
	Packets, Bytes int64
	// SYNs and RSTs are TCP segments, whatever became of them. SYN+ACK does not count as SYN.
	SYNs, RSTs int64
	// Dropped are the packets that were not carried, for any Fate.
	Dropped int64
	// First and Last are when the first and the last packet was seen.
	First, Last time.Time
}

// Flows returns what the networks of the lab have seen since it began, or since ResetFlows, in the
// order of the first packet.
func (l *Lab) Flows() []Flow {
	l.trace.mu.Lock()
	defer l.trace.mu.Unlock()
	flows := make([]Flow, 0, len(l.trace.order))
	for _, f := range l.trace.order {
		flows = append(flows, f.Flow)
	}
	return flows
}

// ResetFlows makes Flows, Payload and SYNs begin anew.
func (l *Lab) ResetFlows() {
	l.trace.mu.Lock()
	defer l.trace.mu.Unlock()
	l.trace.flows, l.trace.order = nil, nil
}

// Payload returns how many bytes of TCP payload the internet carried between two public addresses,
// both ways together, retransmissions included.
func (l *Lab) Payload(a, b netip.Addr) int64 {
	var sum int64
	for _, f := range l.Flows() {
		src, dst := f.Src.Addr(), f.Dst.Addr()
		between := src == a && dst == b || src == b && dst == a
		if f.Network == internet && f.Protocol == "tcp" && between {
			sum += f.Bytes
		}
	}
	return sum
}

// SYNs returns how many SYNs, retransmissions included, the internet saw from each source address
// to each endpoint. Those to nobody are included.
func (l *Lab) SYNs() map[netip.Addr]map[netip.AddrPort]int64 {
	syns := make(map[netip.Addr]map[netip.AddrPort]int64)
	for _, f := range l.Flows() {
		if f.Network != internet || f.SYNs == 0 {
			continue
		}
		if syns[f.Src.Addr()] == nil {
			syns[f.Src.Addr()] = make(map[netip.AddrPort]int64)
		}
		syns[f.Src.Addr()][f.Dst] += f.SYNs
	}
	return syns
}
