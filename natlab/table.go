package natlab

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// A table tells where the packets of a network go. It is replaced, never changed.
type table struct {
	hosts    map[netip.Addr]*port
	prefixes map[netip.Prefix]*port // routed to a port as a whole, looked up after hosts
	gateway  *port                  // gets what belongs to nobody; nil on the internet
	delays   map[[2]*port]time.Duration
	losses   map[[2]*port]float64 // on top of the links'
	cuts     map[[2]*port]bool    // nothing is carried between the two
}

func newTable() *table {
	return &table{
		hosts:    make(map[netip.Addr]*port),
		prefixes: make(map[netip.Prefix]*port),
		delays:   make(map[[2]*port]time.Duration),
		losses:   make(map[[2]*port]float64),
		cuts:     make(map[[2]*port]bool),
	}
}

// change replaces the table by a copy that edit has changed, unless edit fails.
func (n *network) change(edit func(*table) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.table.Load()
	t := &table{maps.Clone(old.hosts), maps.Clone(old.prefixes), old.gateway, maps.Clone(old.delays), maps.Clone(old.losses), maps.Clone(old.cuts)}
	if err := edit(t); err != nil {
		return err
	}
	n.table.Store(t)
	return nil
}

// owner returns the port that an address belongs to, nil if it is nobody's.
func (t *table) owner(a netip.Addr) *port {
	if p := t.hosts[a]; p != nil {
		return p
	}
	var owner *port
	longest := -1
	for prefix, p := range t.prefixes {
		if prefix.Bits() > longest && prefix.Contains(a) {
			owner, longest = p, prefix.Bits()
		}
	}
	return owner
}

// route returns the port that a packet from another one goes to, nil if nobody wants it.
func (t *table) route(from *port, to netip.Addr) *port {
	if p := t.owner(to); p != nil {
		return p
	}
	if from == t.gateway {
		return nil
	}
	return t.gateway
}

// delay is that of the whole way between two ports.
func (t *table) delay(from, to *port) time.Duration {
	if d, ok := t.delays[[2]*port{from, to}]; ok {
		return d
	}
	return from.link.Load().Delay + to.link.Load().Delay
}

// assign makes addrs the addresses of p, in place of those it had.
func (t *table) assign(p *port, addrs []netip.Addr) error {
	for _, a := range addrs {
		if owner := t.hosts[a]; owner != nil && owner != p {
			return fmt.Errorf("%s has the address %v", owner.name, a)
		}
	}
	maps.DeleteFunc(t.hosts, func(a netip.Addr, owner *port) bool {
		return owner == p && !slices.Contains(addrs, a)
	})
	for _, a := range addrs {
		t.hosts[a] = p
	}
	return nil
}

// remove forgets a port.
func (t *table) remove(p *port) {
	maps.DeleteFunc(t.hosts, func(_ netip.Addr, owner *port) bool { return owner == p })
	maps.DeleteFunc(t.prefixes, func(_ netip.Prefix, owner *port) bool { return owner == p })
	maps.DeleteFunc(t.delays, func(pair [2]*port, _ time.Duration) bool {
		return pair[0] == p || pair[1] == p
	})
	maps.DeleteFunc(t.losses, func(pair [2]*port, _ float64) bool { return pair[0] == p || pair[1] == p })
	maps.DeleteFunc(t.cuts, func(pair [2]*port, _ bool) bool { return pair[0] == p || pair[1] == p })
}
