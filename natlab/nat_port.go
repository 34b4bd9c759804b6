package natlab

import (
	"net/netip"
	"time"
)

// portRange is a range of port numbers.
type portRange struct{ first, size int }

// dynamicPorts are what is given out unless ports are preserved.
var dynamicPorts = portRange{1024, 65536 - 1024}

// portBlock is the ports of one host under PortBlock. Its zero value is no block.
type portBlock struct {
	first netip.AddrPort
	size  int
	used  int // how many ports were handed out in turn
}

// choosePort chooses a free external port on addr for a packet from inside.
func (n *nat) choosePort(now time.Time, addr netip.Addr, h *host, p *packet) (uint16, bool) {
	free := func(port int) bool {
		return n.isFree(now, netip.AddrPortFrom(addr, uint16(port)), p)
	}
	switch n.behavior.Allocation {
	case PortSequential:
		return n.nextPort(addr, p.protocol, free)
	case PortRandom:
		return n.randomPort(dynamicPorts, free)
	case PortBlock:
		return n.blockPort(addr, h, free)
	}
	if port := p.from.Port(); free(int(port)) {
		return port, true
	}
	return n.randomPort(classOf(p), free)
}

// classOf is the range a replacement for the source port of p is taken from, as Linux does it: low
// ports mean something to some old protocols. Echo identifiers have no classes.
func classOf(p *packet) portRange {
	switch port := p.from.Port(); {
	case p.protocol != protoTCP && p.protocol != protoUDP:
		return portRange{0, 65536}
	case port < 512:
		return portRange{1, 511}
	case port < 1024:
		return portRange{600, 424}
	}
	return dynamicPorts
}

// randomPort tries the ports after a random one, then after another, in ever shorter runs: 128, 64,
// 32 and so on. A table nearly full gives up rather than search for long, as Linux does.
func (n *nat) randomPort(r portRange, free func(int) bool) (uint16, bool) {
	for run := min(128, r.size); run >= 8; run /= 2 {
		start := n.rng.IntN(r.size)
		for i := range run {
			if port := r.first + (start+i)%r.size; free(port) {
				return uint16(port), true
			}
		}
	}
	return 0, false
}

// nextPort counts on from the last port, past those in use. The first one is random.
func (n *nat) nextPort(addr netip.Addr, number protocol, free func(int) bool) (uint16, bool) {
	const tries = 1024
	delta := n.behavior.PortDelta
	if delta == 0 {
		delta = 1
	}
	counter := endpoint{number, netip.AddrPortFrom(addr, 0)}
	last, ok := n.counters[counter]
	offset := int(last) - dynamicPorts.first
	if !ok {
		offset = n.rng.IntN(dynamicPorts.size)
	}
	for range tries {
		offset = ((offset+delta)%dynamicPorts.size + dynamicPorts.size) % dynamicPorts.size
		if port := dynamicPorts.first + offset; free(port) {
			n.counters[counter] = uint16(port)
			return uint16(port), true
		}
	}
	return 0, false
}

// blockPort takes a port of the host's block.
func (n *nat) blockPort(addr netip.Addr, h *host, free func(int) bool) (uint16, bool) {
	if h.block.size == 0 || h.block.first.Addr() != addr {
		if !n.takeBlock(addr, h) {
			return 0, false
		}
	}
	b := &h.block
	start := b.used
	if n.behavior.RandomInBlock {
		start = n.rng.IntN(b.size)
	}
	for i := range b.size {
		if port := int(b.first.Port()) + (start+i)%b.size; free(port) {
			b.used = start + i + 1
			return uint16(port), true
		}
	}
	return 0, false
}

// takeBlock gives a host a block of an external address that no other host has.
func (n *nat) takeBlock(addr netip.Addr, h *host) bool {
	size := n.behavior.BlockSize
	if size == 0 {
		size = 512
	}
	size = min(size, dynamicPorts.size)
	count := dynamicPorts.size / size
	start := n.rng.IntN(count)
	for i := range count {
		first := netip.AddrPortFrom(addr, uint16(dynamicPorts.first+(start+i)%count*size))
		if n.blocks[first] == nil {
			delete(n.blocks, h.block.first)
			h.block = portBlock{first: first, size: size}
			n.blocks[first] = h
			return true
		}
	}
	return false
}
