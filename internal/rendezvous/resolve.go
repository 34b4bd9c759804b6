package rendezvous

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
)

// An address is one place where a server may be.
type address struct {
	server string         // as configured
	addr   netip.AddrPort // zero: behind a proxy, which finds it by its name
}

// resolve returns the addresses of all servers, in the servers' order, but for the one that served last, which comes first.
func (c *Client) resolve(ctx context.Context) (addresses []address, failed []AddressError) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	type result struct {
		addrs []netip.AddrPort
		err   error
	}
	results := make([]result, len(c.config.Servers))
	var resolving sync.WaitGroup
	for i, server := range c.config.Servers {
		resolving.Go(func() { results[i].addrs, results[i].err = c.resolveOne(ctx, server) })
	}
	resolving.Wait()
	for i, server := range c.config.Servers {
		if results[i].err != nil {
			failed = append(failed, AddressError{Server: server, Err: results[i].err})
		}
		for _, addr := range results[i].addrs {
			if !slices.ContainsFunc(addresses, func(a address) bool { return a.addr == addr && addr.IsValid() }) {
				addresses = append(addresses, address{server, addr})
			}
		}
	}
	c.mu.Lock()
	preferred := c.preferred
	c.mu.Unlock()
	if i := slices.IndexFunc(addresses, func(a address) bool { return a.addr == preferred }); i > 0 {
		first := addresses[i]
		addresses = slices.Insert(slices.Delete(addresses, i, i+1), 0, first)
	}
	return addresses[:min(len(addresses), addressesMax)], failed
}

func (c *Client) resolveOne(ctx context.Context, server string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("port %q is not a number in 1..65535", portText)
	}
	if c.config.IsProxied != nil && c.config.IsProxied(server) {
		return []netip.AddrPort{{}}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), uint16(port))}, nil
	}
	ips, err := c.config.Resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return interleave(ips, uint16(port)), nil
}

// interleave takes turns between the families, beginning with that of the first address (RFC 8305, section 4).
func interleave(ips []netip.Addr, port uint16) []netip.AddrPort {
	var families [2][]netip.AddrPort
	for _, ip := range ips {
		ip = ip.Unmap()
		family := 0
		if ip.Is4() != ips[0].Unmap().Is4() {
			family = 1
		}
		families[family] = append(families[family], netip.AddrPortFrom(ip, port))
	}
	var mixed []netip.AddrPort
	for i := range max(len(families[0]), len(families[1])) {
		for _, family := range families {
			if i < len(family) {
				mixed = append(mixed, family[i])
			}
		}
	}
	return mixed
}
