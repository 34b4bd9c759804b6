package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// One-way delays, as in bench/peers: visitor to servers, visited to servers, between the two.
const (
	delayNear = 20 * time.Millisecond
	delayFar  = 30 * time.Millisecond
	delayPair = 25 * time.Millisecond
)

// A pair is two networks: that of the machine with the local port, and that of the service's.
type pair struct {
	name      string
	near, far box
}

// A box puts a host into a kind of network. The NAT is nil where there is none.
type box func(lab *natlab.Lab, name string) (*natlab.Host, *natlab.NAT)

func behind(b natlab.Behavior) box {
	return func(lab *natlab.Lab, name string) (*natlab.Host, *natlab.NAT) {
		nat := lab.NAT("nat-"+name, b)
		return nat.Host(name), nat
	}
}

func behindKernel(lab *natlab.Lab, name string) (*natlab.Host, *natlab.NAT) {
	nat := lab.KernelNAT("nat-"+name, natlab.Kernel{})
	return nat.Host(name), nat
}

func public(lab *natlab.Lab, name string) (*natlab.Host, *natlab.NAT) { return lab.Host(name), nil }

// pairs are those that are measured, from the easy to the hard. The far box is nil where both are in the same network.
func pairs() []pair {
	restricted, linux, symmetric := behind(natlab.PortRestrictedCone()), behind(natlab.Linux()), behind(natlab.Symmetric())
	return []pair{
		{"same network", linux, nil},
		{"public – linux-kernel", public, behindKernel},
		{"linux-kernel – linux-kernel", behindKernel, behindKernel},
		{"port-restricted – port-restricted", restricted, restricted},
		{"linux – carrier-grade", linux, behind(natlab.CarrierGrade())},
		{"linux-reject – linux-reject", behind(natlab.LinuxReject()), behind(natlab.LinuxReject())},
		{"restricted-cone – symmetric", behind(natlab.RestrictedCone()), symmetric},
		{"no UDP – linux", behind(natlab.BlocksUDP()), linux},
		{"no-simultaneous – no-simultaneous", behind(natlab.NoSimultaneousOpen()), behind(natlab.NoSimultaneousOpen())},
		{"port-restricted – symmetric", restricted, symmetric},
		{"symmetric – symmetric", symmetric, symmetric},
	}
}

// A site is a pair in the lab, with an echo service at its far end.
type site struct {
	name            string
	lab             *natlab.Lab
	near, far       *natlab.Host
	nearNAT, farNAT *natlab.NAT // nil: none
	echo            net.Listener
	entrance        string // of the tunnel that is open
}

// newLab makes the internet with its public host and some pairs. The caller must close it.
func newLab(chosen []pair) (lab *natlab.Lab, server *natlab.Host, sites []*site, err error) {
	if lab, err = natlab.New(natlab.Config{}); err != nil {
		return nil, nil, nil, err
	}
	server = lab.Host("server", natlab.At(serverAddr, stunAddr, stunOther))
	for i, p := range chosen {
		s := &site{name: p.name, lab: lab}
		number := string(rune('a' + i))
		s.near, s.nearNAT = p.near(lab, "near-"+number)
		if p.far == nil {
			s.far, s.farNAT = s.nearNAT.Host("far-"+number), s.nearNAT
		} else {
			s.far, s.farNAT = p.far(lab, "far-"+number)
			err = errors.Join(err, lab.SetDelay(s.far, server, delayFar), lab.SetDelay(s.near, s.far, delayPair))
		}
		sites, err = append(sites, s), errors.Join(err, lab.SetDelay(s.near, server, delayNear))
		if err = errors.Join(err, lab.Err()); err == nil {
			s.echo, err = echoAt(s.far)
		}
		if err != nil {
			lab.Close()
			return nil, nil, nil, err
		}
	}
	return lab, server, sites, nil
}

// echoAt says everything back that comes to servicePort, until the listener is closed.
func echoAt(h *natlab.Host) (net.Listener, error) {
	l, err := h.Listen("tcp", "0.0.0.0:"+servicePort)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l, nil
}

// forget makes the NATs know nothing.
func (s *site) forget() error {
	for _, nat := range []*natlab.NAT{s.nearNAT, s.farNAT} {
		if nat != nil {
			if err := nat.Reboot(); err != nil {
				return err
			}
		}
	}
	return nil
}

// dial connects to the entrance of the tunnel.
func (s *site) dial(ctx context.Context) (net.Conn, error) {
	return s.near.Dial(ctx, "tcp", s.entrance)
}

// direct is how many bytes went from one of the two to the other so far, and not by way of anybody else, whatever the protocol.
func (s *site) direct() (total int64) {
	near, far := addresses(s.near, s.nearNAT), addresses(s.far, s.farNAT)
	for _, f := range s.lab.Flows() {
		src, dst := f.Src.Addr(), f.Dst.Addr()
		if f.Network != "internet" && f.Network != s.sharedNetwork() {
			continue
		}
		if near[src] && far[dst] || far[src] && near[dst] {
			total += f.Bytes
		}
	}
	return total
}

// sharedNetwork is the inside of the NAT that both are behind, if they are behind one.
func (s *site) sharedNetwork() string {
	if s.nearNAT != nil && s.nearNAT == s.farNAT {
		return s.nearNAT.Name()
	}
	return ""
}

// addresses are those that others may see of a host.
func addresses(h *natlab.Host, nat *natlab.NAT) map[netip.Addr]bool {
	all := map[netip.Addr]bool{h.Addr(): true}
	if nat != nil {
		all[nat.Addr()] = true
	}
	return all
}
