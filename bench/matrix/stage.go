package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// serverAddrs are the rendezvous server's.
var serverAddrs = [...]string{"203.0.113.10", "2001:db8::10"}

// mappingAddr is the outside address of a NAT that maps ports: miniupnpd refuses reserved ones.
const mappingAddr = "11.0.0.1"

// A site is where a node is: a host, and the NATs it is behind.
type site struct {
	*natlab.Host
	network string // that its host is attached to: the internet, or the inside of a NAT
	nats    []*natlab.NAT
}

// seen are the addresses at which the internet sees the site.
func (s site) seen() []netip.Addr {
	if len(s.nats) == 0 {
		return s.Addrs()
	}
	seen := s.nats[0].Addrs()
	for _, a := range s.Addrs() {
		if a.Is6() { // routed, not translated
			seen = append(seen, a)
		}
	}
	return seen
}

// outermost is what attaches the site to the internet.
func (s site) outermost() natlab.Attachment {
	if len(s.nats) > 0 {
		return s.nats[0]
	}
	return s.Host
}

// A stage is the lab of one pair, and its server.
type stage struct {
	lab       *natlab.Lab
	server    *natlab.Host
	near, far site
	invite    bodkin.Invite
	played    int // runs so far
	stops     []func()
}

// newStage builds the lab of a pair and starts its server. The caller must close it.
func newStage(ctx context.Context, p pair, o options) (_ *stage, err error) {
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	s := &stage{lab: lab}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.server = lab.Host("s", natlab.At(serverAddrs[:]...))
	s.build(p, o)
	s.distances(p, o)
	if err := lab.Err(); err != nil {
		return nil, err
	}
	if err := s.disturb(p, o); err != nil {
		return nil, err
	}
	return s, s.serve(ctx)
}

// build puts the two hosts behind their boxes.
func (s *stage) build(p pair, o options) {
	switch {
	case o.Mapped:
		nat := s.lab.KernelNAT("near", natlab.Kernel{}, natlab.At(mappingAddr))
		s.near = site{nat.Host("a"), nat.Name(), []*natlab.NAT{nat}}
	default:
		s.near = s.attach(p.near, "near", "a", 1)
	}
	switch p.near.shared {
	case oneNetwork:
		s.far = site{s.near.nats[0].Host("b"), s.near.network, s.near.nats}
	case oneCarrier:
		carrier := s.near.nats[0]
		home := carrier.NAT("far-home", p.far.layers[1])
		s.far = site{home.Host("b"), home.Name(), []*natlab.NAT{carrier, home}}
	default:
		s.far = s.attach(p.far, "far", "b", 2)
	}
}

// attach puts a host behind a box of its own. The number tells the IPv6 networks of two boxes apart.
func (s *stage) attach(b box, name, host string, number int) site {
	if len(b.layers) == 0 {
		v4, v6 := fmt.Sprintf("203.0.113.2%d", number), fmt.Sprintf("2001:db8::2%d", number)
		return site{Host: s.lab.Host(host, natlab.At(v4, v6)), network: "internet"}
	}
	var nats []*natlab.NAT
	for i, layer := range b.layers {
		var inside []natlab.Option
		if b.ipv6 && i == len(b.layers)-1 {
			inside = append(inside, natlab.Inside(fmt.Sprintf("192.168.%d.0/24", number), fmt.Sprintf("2001:db8:%d::/64", number)))
		}
		label := name
		if i > 0 {
			label = fmt.Sprintf("%s-%d", name, i+1)
		}
		nats = append(nats, s.layer(nats, b, i, label, layer, inside))
	}
	inner := nats[len(nats)-1]
	var at []natlab.Option
	if b.ipv6 {
		at = append(at, natlab.At(fmt.Sprintf("192.168.%d.5", number), fmt.Sprintf("2001:db8:%d::5", number)))
	}
	return site{inner.Host(host, at...), inner.Name(), nats}
}

// layer makes NAT number i of a box, behind those made before.
func (s *stage) layer(outer []*natlab.NAT, b box, i int, name string, behavior natlab.Behavior, inside []natlab.Option) *natlab.NAT {
	kernel := b.kernel != nil && i == len(b.layers)-1
	switch {
	case len(outer) == 0 && kernel:
		return s.lab.KernelNAT(name, *b.kernel, inside...)
	case len(outer) == 0:
		return s.lab.NAT(name, behavior, inside...)
	case kernel:
		return outer[len(outer)-1].KernelNAT(name, *b.kernel, inside...)
	}
	return outer[len(outer)-1].NAT(name, behavior, inside...)
}

// distances sets the delays of the issue, and what is to go wrong on the way. Every path crosses two links, which share its loss
// and its jitter.
func (s *stage) distances(p pair, o options) {
	link := natlab.Link{Jitter: o.Jitter / 2, Loss: 1 - math.Sqrt(1-o.Loss)}
	for _, x := range []natlab.Attachment{s.server, s.near.outermost(), s.far.outermost()} {
		s.lab.SetLink(x, link)
	}
	s.lab.SetDelay(s.near.outermost(), s.server, delayDialer)
	if p.near.shared == apart {
		s.lab.SetDelay(s.far.outermost(), s.server, delayCallee)
		s.lab.SetDelay(s.near.outermost(), s.far.outermost(), delayPair)
	}
}

// disturb starts what else is going on.
func (s *stage) disturb(p pair, o options) error {
	if o.Mapped {
		folder, err := os.MkdirTemp("", "bodkin-matrix")
		if err != nil {
			return err
		}
		s.stops = append(s.stops, func() { os.RemoveAll(folder) })
		daemon, err := s.near.nats[0].Miniupnpd(folder, natlab.PortMapping{UPnP: true, PCP: true, NATPMP: true})
		if err != nil {
			return err
		}
		s.stops = append(s.stops, func() { daemon.Stop() })
	}
	rates := map[*natlab.NAT]float64{}
	for _, at := range []struct {
		box box
		site
	}{{p.near, s.near}, {p.far, s.far}} {
		if len(at.nats) > 0 {
			rates[at.nats[0]] = max(at.box.traffic, o.Traffic)
		}
	}
	for nat, rate := range rates {
		if rate == 0 {
			continue
		}
		stop, err := nat.Traffic(rate)
		if err != nil {
			return err
		}
		s.stops = append(s.stops, stop)
	}
	if o.NoUDP {
		return errors.Join(silenceUDP(s.near.Host), silenceUDP(s.far.Host))
	}
	return nil
}

// serve starts the server.
func (s *stage) serve(ctx context.Context) error {
	home, err := os.MkdirTemp("", "bodkin-matrix")
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() { os.RemoveAll(home) })
	var srv *server.Server
	err = s.server.Do(func() (err error) {
		srv, err = server.Open(server.Config{Home: home, Advertise: serverAddrs[:], Within: s.server.Do})
		return err
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(ctx)
	}()
	s.stops = append(s.stops, func() { stop(); <-served })
	s.invite, err = srv.Invite(server.DefaultRoom)
	return err
}

// forget makes all NATs forget what they know, as they would in the hours between two dials.
func (s *stage) forget() error {
	var failures []error
	for _, at := range []site{s.near, s.far} {
		for _, nat := range at.nats {
			failures = append(failures, nat.Reboot())
		}
	}
	return errors.Join(failures...)
}

func (s *stage) close() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	s.lab.Close()
}
