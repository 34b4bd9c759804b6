package natlab

import (
	"fmt"
	"net/netip"
	"time"
)

// An Option tells more about a host or NAT that is being made.
type Option func(*options) error

type options struct {
	addrs  []netip.Addr
	inside []netip.Prefix
	link   Link
}

func parseOptions(list []Option) (options, error) {
	var o options
	for _, option := range list {
		if err := option(&o); err != nil {
			return options{}, err
		}
	}
	return o, nil
}

// At gives the addresses, of IPv4, IPv6 or both, in the network that the host or NAT is attached to. A
// NAT may have several of a family. Without it there is one IPv4 address: on the internet from
// 203.0.113.10 for hosts and from 198.51.100.1 for NATs, inside a NAT the next free one.
func At(addrs ...string) Option {
	return func(o *options) error {
		for _, s := range addrs {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return err
			}
			o.addrs = append(o.addrs, a.Unmap())
		}
		return nil
	}
}

// Inside gives a NAT its inside prefixes, at most one of IPv4 and one of IPv6; by default it is
// 10.N.0.0/24 for the N-th NAT. The NAT itself has the first address of each.
//
// An IPv6 prefix is not translated: it is routed to the NAT, which is a stateful firewall for it.
func Inside(prefixes ...string) Option {
	return func(o *options) error {
		for _, s := range prefixes {
			p, err := netip.ParsePrefix(s)
			if err != nil {
				return err
			}
			if p != p.Masked() {
				return fmt.Errorf("prefix %v has host bits", p)
			}
			o.inside = append(o.inside, p)
		}
		return nil
	}
}

// Delay gives the link a one-way delay, and leaves the rest of it as it is.
func Delay(d time.Duration) Option {
	return func(o *options) error {
		o.link.Delay = d
		return nil
	}
}

// Via gives the link as a whole.
func Via(link Link) Option {
	return func(o *options) error {
		o.link = link
		return nil
	}
}
