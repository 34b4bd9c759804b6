package gather

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// An Interface is a network interface of this machine that is up and connected, with
// at least one address.
type Interface struct {
	Name  string
	Addrs []Addr
}

// An Addr is an address of an interface.
type Addr struct {
	// Prefix is the address together with the length of its link's prefix:
	// 192.168.1.5/24.
	Prefix netip.Prefix

	// Passing is true of an address that will be gone before long: a temporary
	// (RFC 8981) or a deprecated one. Only Linux tells; elsewhere it is false.
	Passing bool
}

// Interfaces returns the interfaces of this machine without loopback, as they are at
// this moment. It asks the system through within, so that a test can ask in another
// network namespace; nil means to ask directly.
func Interfaces(within netspace.Space) ([]Interface, error) {
	var all []Interface
	err := within.Do(func() (err error) {
		all, err = systemInterfaces()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	return all, nil
}

func systemInterfaces() ([]Interface, error) {
	found, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	states := addrStates()
	var all []Interface
	for _, f := range found {
		const live = net.FlagUp | net.FlagRunning // running: with a cable, or associated
		if f.Flags&live != live || f.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := f.Addrs()
		if err != nil {
			continue // it went away while we looked
		}
		i := Interface{Name: f.Name}
		for _, a := range addrs {
			prefix, ok := prefixOf(a)
			state := states[prefix.Addr()]
			if ok && state != notUsable {
				i.Addrs = append(i.Addrs, Addr{Prefix: prefix, Passing: state == passing})
			}
		}
		if len(i.Addrs) > 0 {
			all = append(all, i)
		}
	}
	return all, nil
}

// An addrState is what the system says of an address besides that it is there.
type addrState uint8

const (
	lasting   addrState = iota // or unknown
	passing                    // temporary or deprecated
	notUsable                  // not yet, or not any more: its uniqueness is not proven
)

// prefixOf returns what package net calls the address of an interface.
func prefixOf(a net.Addr) (netip.Prefix, bool) {
	n, ok := a.(*net.IPNet)
	if !ok {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	p := netip.PrefixFrom(addr.Unmap(), ones)
	return p, p.IsValid()
}

// Links returns the prefixes of the links that the interfaces are on, each with the
// node's own address there, for candidate.Rules. Link-local ones are left out.
func Links(interfaces []Interface) []netip.Prefix {
	var links []netip.Prefix
	for _, i := range interfaces {
		if isInternal(i.Name) {
			continue
		}
		for _, a := range i.Addrs {
			if candidate.Dialable(a.Prefix.Addr()) {
				links = append(links, a.Prefix)
			}
		}
	}
	return links
}

// Hosts returns the host candidates of a node that listens on port, in the order of
// the interfaces: every address that a peer could dial, except those on links inside
// this machine, and except temporary IPv6 addresses beside a lasting one of the same
// link.
func Hosts(interfaces []Interface, port uint16) []candidate.Candidate {
	var hosts []candidate.Candidate
	for _, i := range interfaces {
		if isInternal(i.Name) {
			continue
		}
		for _, a := range i.Addrs {
			if !candidate.Dialable(a.Prefix.Addr()) || a.Passing && i.lasts(a.Prefix.Masked()) {
				continue
			}
			c := candidate.Candidate{Type: candidate.Host, Addr: netip.AddrPortFrom(a.Prefix.Addr(), port)}
			if !slices.Contains(hosts, c) {
				hosts = append(hosts, c)
			}
		}
	}
	return hosts
}

// lasts reports whether i has a lasting address on link.
func (i Interface) lasts(link netip.Prefix) bool {
	return slices.ContainsFunc(i.Addrs, func(a Addr) bool { return !a.Passing && a.Prefix.Masked() == link })
}

// isInternal reports whether an interface of this name leads only to containers and
// virtual machines on this machine. Their addresses are the same everywhere
// (172.17.0.1), so that a peer would take them for its own.
func isInternal(name string) bool {
	for _, prefix := range []string{
		"docker", "br-", "podman", "cni", "lxcbr", "lxdbr", "virbr", // Linux
		"vboxnet", "vmnet", // macOS, Linux
		"vEthernet (WSL", "vEthernet (Default Switch", "VirtualBox Host-Only", "VMware Network Adapter", // Windows
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
