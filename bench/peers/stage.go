package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// One-way delays, as in the tests of the library: dialer to server, callee to server, dialer to callee. The relay and the
// observers of go-libp2p are where the server is.
const (
	delayNear = 20 * time.Millisecond
	delayFar  = 30 * time.Millisecond
	delayPair = 25 * time.Millisecond
)

// A site is where a node can be: a host, and the box it is behind.
type site struct {
	*natlab.Host
	box     box
	nat     *natlab.NAT // nil: on the internet itself
	outside netip.Addr  // what the internet sees of it
}

// A stage is the lab of all pairs: a server, and each box twice.
type stage struct {
	lab    *natlab.Lab
	server *natlab.Host
	near   map[string]*site
	far    map[string]*site
	known  libp2pNodeConfig
	invite bodkinInvite
	stops  []func()
}

// publicAddrs are the server's: one for Bodkin's, one for go-libp2p's relay, four for its observers.
var publicAddrs = [...]string{"203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14", "203.0.113.15"}

// newStage builds the lab and starts the servers. The caller must close it.
func newStage(ctx context.Context) (_ *stage, err error) {
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	s := &stage{lab: lab, near: map[string]*site{}, far: map[string]*site{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.server = lab.Host("server", natlab.At(publicAddrs[:]...))
	for _, b := range boxes() {
		s.near[b.name] = s.build(b, "near-"+b.name)
		s.far[b.name] = s.build(b, "far-"+b.name)
	}
	for _, near := range s.near {
		lab.SetDelay(near, s.server, delayNear)
		for _, far := range s.far {
			lab.SetDelay(far, s.server, delayFar)
			lab.SetDelay(near, far, delayPair)
		}
	}
	if err := lab.Err(); err != nil {
		return nil, err
	}
	return s, s.serve(ctx)
}

// build puts a host behind a box.
func (s *stage) build(b box, name string) *site {
	if b.put == nil {
		h := s.lab.Host(name)
		return &site{Host: h, box: b, outside: h.Addr()}
	}
	nat := b.put(s.lab, "nat-"+name)
	return &site{Host: nat.Host(name), box: b, nat: nat, outside: nat.Addr()}
}

// serve starts what is public.
func (s *stage) serve(ctx context.Context) (err error) {
	limited, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	invite, stop, err := startBodkinServer(ctx, s.server)
	if err != nil {
		return err
	}
	s.invite, s.stops = invite, append(s.stops, stop)
	others, err := startRole(ctx, s.server, "libp2p-public", libp2pPublicConfig{Relay: publicAddrs[1], Observers: publicAddrs[2:]})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, others.stop)
	_, err = others.await(limited, evReady, &s.known)
	return err
}

func (s *stage) close() {
	for _, stop := range s.stops {
		stop()
	}
	s.lab.Close()
}
