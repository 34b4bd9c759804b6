package rendezvous

import (
	"net/netip"
	"slices"
	"time"
)

// contact notes that the node's port is used to an address of the server, and reports whether that is for the first time now.
func (m *measurement) contact(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.asked, addr) {
		return false
	}
	m.asked = append(m.asked, addr)
	m.main.client.contact(addr)
	return true
}

// filterForgets is how long after the last connection to an address a filter lets that in, at most: RFC 5382 has it 4 minutes.
const filterForgets = 5 * time.Minute

// contact notes that the node's port is used to an address of the server.
func (c *Client) contact(addr netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.contacted == nil {
		c.contacted = map[netip.Addr]time.Time{}
	}
	for addr, at := range c.contacted {
		if time.Since(at) > filterForgets {
			delete(c.contacted, addr)
		}
	}
	c.contacted[addr] = time.Now()
}

// isFresh reports whether no filter knows of addr from the node's own connections.
func (c *Client) isFresh(addr netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.contacted[addr]
	return !ok || time.Since(at) > filterForgets
}
