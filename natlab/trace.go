package natlab

import (
	"net/netip"
	"sync"
	"time"
)

// A Fate is what a network did with a packet.
type Fate uint8

const (
	Carried  Fate = iota // sent on its way
	Lost                 // by Link.Loss, or because a queue was full
	Cut                  // one of the two links was cut
	Unrouted             // nobody has the destination address
	Spoofed              // the sender does not own the source address
	Expired              // its time to live ran out
)

// String is a word such as "carried".
func (f Fate) String() string {
	return [...]string{"carried", "lost", "cut", "unrouted", "spoofed", "expired"}[f]
}

// A Flow is the packets that one network saw from one endpoint to another.
type Flow struct {
	// Network is "internet", or the name of the NAT whose inside it is.
	Network string
	// From and To name the hosts and NATs at the two ends, as this network sees them. To is empty if nobody has the address.
	From, To string
	// Src and Dst are the endpoints in the packets. The ports are zero in what has none, such as ICMP errors.
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

type traceKey struct {
	network  *network
	src, dst netip.AddrPort
	protocol protocol
}

type tracedFlow struct {
	Flow
	next uint32 // TCP sequence number after the last segment
}

// A trace counts every packet that a network of the lab gets.
type trace struct {
	mu    sync.Mutex
	flows map[traceKey]*tracedFlow
	order []*tracedFlow
	logs  []*packetLog
}

func (t *trace) record(n *network, from, to *port, f *frame, p *packet, fate Fate) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	flow := t.flow(n, from, to, p)
	flow.Last = now
	if flow.First.IsZero() {
		flow.First = now
	}
	segments := int64(f.segments())
	if fate == Carried {
		flow.Packets += segments
		flow.Bytes += int64(p.payload())
	} else {
		flow.Dropped += segments
	}
	if p.protocol == protoTCP {
		if p.flags().has(flagSYN) || int32(p.end()-flow.next) > 0 || flow.First == now {
			flow.next = p.end()
		}
		if p.isSYN() {
			flow.SYNs++
		}
		if p.flags().has(flagRST) {
			flow.RSTs++
		}
	}
	for _, log := range t.logs {
		log.write(entry{now, n, from, to, f, p, fate})
	}
}

func (t *trace) flow(n *network, from, to *port, p *packet) *tracedFlow {
	key := traceKey{n, p.src(), p.dst(), p.protocol}
	flow := t.flows[key]
	if flow == nil {
		flow = &tracedFlow{}
		flow.Network, flow.From, flow.Protocol = n.name, from.name, p.protocol.String()
		flow.Src, flow.Dst = p.src(), p.dst()
		if t.flows == nil {
			t.flows = make(map[traceKey]*tracedFlow)
		}
		t.flows[key] = flow
		t.order = append(t.order, flow)
	}
	if to != nil {
		flow.To = to.name
	}
	return flow
}

// sequence is the TCP sequence number that follows what a network last saw from src to dst.
func (t *trace) sequence(n *network, src, dst netip.AddrPort) (next uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	flow := t.flows[traceKey{n, src, dst, protoTCP}]
	if flow == nil {
		return 0, false
	}
	return flow.next, true
}

// String is a word such as "tcp".
func (p protocol) String() string {
	switch p {
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	}
	return "icmp"
}

// payload is the number of bytes after the transport header.
func (p *packet) payload() int {
	if p.protocol == protoTCP {
		return p.payloadLength()
	}
	return len(p.raw) - p.transport - 8
}

// Flows returns what the networks of the lab have seen since it began, or since ResetFlows, in the order of the first packet.
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

// Payload returns how many bytes of TCP payload the internet carried between two public addresses, both ways together,
// retransmissions included.
func (l *Lab) Payload(a, b netip.Addr) int64 {
	var sum int64
	for _, f := range l.Flows() {
		src, dst := f.Src.Addr(), f.Dst.Addr()
		if f.Network == internet && f.Protocol == "tcp" && (src == a && dst == b || src == b && dst == a) {
			sum += f.Bytes
		}
	}
	return sum
}

// SYNs returns how many connection attempts, retransmissions included, the internet saw from each source address to each
// endpoint. Those to nobody are included.
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
