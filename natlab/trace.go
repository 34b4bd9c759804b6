package natlab

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxFlows bounds the memory of a trace. Beyond it, flows are counted by source address only.
const maxFlows = 1 << 17

// A trace counts every packet that a network of the lab gets, and shows it to those who watch.
type trace struct {
	mu    sync.Mutex
	flows map[traceKey]*tracedFlow
	order []*tracedFlow
	taps  []tap
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

// An entry is one packet in one network.
type entry struct {
	at       time.Time
	network  *network
	from, to *port // to is nil if nobody has the destination address
	packet   *packet
	fate     Fate
}

// A tap is shown every packet. It must not keep the entry.
type tap interface{ see(entry) }

// record counts a packet, once for each network it comes to.
func (t *trace) record(n *network, from, to *port, f *frame, p *packet, fate Fate) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	flow, segments := t.flow(n, from, p), int64(f.segments())
	f.flow, flow.Last = flow, now
	if to != nil {
		flow.To = to.name
	}
	first := flow.First.IsZero()
	if first {
		flow.First = now
	}
	if fate == Carried {
		flow.Packets += segments
		flow.Bytes += int64(p.payload())
	} else {
		flow.Dropped += segments
	}
	if p.protocol == protoTCP {
		flow.addTCP(p, first)
	}
	for _, tap := range t.taps {
		tap.see(entry{now, n, from, to, p, fate})
	}
}

func (f *tracedFlow) addTCP(p *packet, first bool) {
	if p.isSYN() {
		f.SYNs++
	}
	if p.flags().has(flagRST) {
		f.RSTs++
	}
	if first || p.flags().has(flagSYN) || int32(p.end()-f.next) > 0 {
		f.next = p.end()
	}
}

// flow finds or makes the counters for a packet.
func (t *trace) flow(n *network, from *port, p *packet) *tracedFlow {
	key := traceKey{n, p.src(), p.dst(), p.protocol}
	if flow := t.flows[key]; flow != nil {
		return flow
	}
	if len(t.flows) >= maxFlows {
		key.src = netip.AddrPortFrom(key.src.Addr(), 0)
		key.dst = netip.AddrPort{}
		if flow := t.flows[key]; flow != nil {
			return flow
		}
	}
	flow := &tracedFlow{}
	flow.Network, flow.From, flow.Protocol = n.name, from.name, p.protocol.String()
	flow.Src, flow.Dst = key.src, key.dst
	if t.flows == nil {
		t.flows = make(map[traceKey]*tracedFlow)
	}
	t.flows[key] = flow
	t.order = append(t.order, flow)
	return flow
}

// lose corrects the counters for a packet that was recorded as carried.
func (t *trace) lose(f *frame) {
	p, ok := parse(f.data)
	if !ok || f.flow == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	segments := int64(f.segments())
	f.flow.Packets -= segments
	f.flow.Bytes -= int64(p.payload())
	f.flow.Dropped += segments
}

// sequence is the TCP sequence number that follows what a network has seen from src to dst.
func (t *trace) sequence(n *network, src, dst netip.AddrPort) (next uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	flow := t.flows[traceKey{n, src, dst, protoTCP}]
	if flow == nil {
		return 0, false
	}
	return flow.next, true
}

// watch shows packets to a tap until stop is called.
func (t *trace) watch(w tap) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taps = append(t.taps, w)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.taps = slices.DeleteFunc(t.taps, func(other tap) bool { return other == w })
	}
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
