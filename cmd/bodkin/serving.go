package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bodkin-p2p/bodkin/internal/control"
)

// serving is what a running node serves: its services and its forwarded ports. A new plan leaves alone what stays the same, and every
// connection that is open.
type serving struct {
	ctx  context.Context // ends everything
	node control.Node
	log  *slog.Logger
	told *complaints

	delivered func(delivered) // tells what has arrived; nil: nobody. Set before apply

	ledger control.Ledger // the streams of this and of other commands

	tasks sync.WaitGroup

	mu       sync.Mutex // guards the following, and is held over apply
	services map[string]*service
	forwards []*forwardedPort
}

func newServing(ctx context.Context, node control.Node, log *slog.Logger) *serving {
	return &serving{ctx: ctx, node: node, log: log, services: map[string]*service{}, told: &complaints{log: log}}
}

// A service is one that the node listens on.
type service struct {
	name     string
	listener control.Listener
	now      atomic.Pointer[exposure] // what it is; looked at for each connection
	tally    tally
	mailbox  atomic.Pointer[mailbox] // of one that takes files, once it serves
}

// A forwardedPort is a local port.
type forwardedPort struct {
	listener net.Listener
	now      atomic.Pointer[forwarding] // where it leads; looked at for each connection
	tally    tally
}

// apply makes a plan the one that holds, and tells what has changed, in words. If part of it cannot be, nothing has.
func (s *serving) apply(p plan) (changes []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	var fresh []*service
	var ports []*forwardedPort
	undo := func() {
		for _, v := range fresh {
			v.listener.Close()
		}
		for _, f := range ports {
			f.listener.Close()
		}
	}
	for _, e := range p.services {
		if s.services[e.service] != nil {
			continue
		}
		listener, err := s.node.Listen(s.ctx, e.service)
		if err != nil {
			undo()
			return nil, aboutStream("this machine", e.service, err)
		}
		fresh = append(fresh, newService(e, listener))
	}
	for _, to := range p.forwards {
		if s.portOf(to) != nil {
			continue
		}
		one := []forwarding{to}
		if err := listenLocally(s.ctx, one); err != nil {
			undo()
			return nil, err
		}
		f := &forwardedPort{listener: one[0].listener}
		f.now.Store(&one[0])
		ports = append(ports, f)
	}
	changes, err = s.changeServices(p.services)
	changes = append(changes, s.changeForwards(p.forwards)...)
	for _, v := range fresh {
		s.start(v)
		changes = append(changes, "now offers "+v.name)
	}
	for _, f := range ports {
		s.forwards = append(s.forwards, f)
		s.tasks.Go(func() { s.serveForward(f) })
		changes = append(changes, fmt.Sprintf("now forwards %s", f.now.Load()))
	}
	return changes, err
}

func newService(e exposure, listener control.Listener) *service {
	v := &service{name: e.service, listener: listener}
	v.now.Store(&e)
	return v
}

// start begins to serve a service.
func (s *serving) start(v *service) {
	s.services[v.name] = v
	s.tasks.Go(func() { s.serve(v) })
}

// changeServices ends the services that are not wanted any more, and changes those that are to be others.
func (s *serving) changeServices(wanted []exposure) (changes []string, failed error) {
	for name, v := range s.services {
		i := slices.IndexFunc(wanted, func(e exposure) bool { return e.service == name })
		if i < 0 {
			v.listener.Close() // connections go on
			delete(s.services, name)
			changes = append(changes, "no longer offers "+name)
			continue
		}
		was, is := v.now.Load(), wanted[i]
		if reflect.DeepEqual(*was, is) {
			continue
		}
		changes = append(changes, "changed "+name)
		if was.address != "" && is.address != "" {
			v.now.Store(&is)
			continue
		}
		v.listener.Close()
		delete(s.services, name)
		listener, err := s.node.Listen(s.ctx, name)
		if err != nil { // the node is ending
			failed = errors.Join(failed, aboutStream("this machine", name, err))
			continue
		}
		s.start(newService(is, listener))
	}
	slices.Sort(changes)
	return changes, failed
}

// portOf finds the port that a forwarding has already.
func (s *serving) portOf(to forwarding) *forwardedPort {
	for _, f := range s.forwards {
		if now := f.now.Load(); now.bind == to.bind && (!to.anyPort() || now.peer == to.peer && now.service == to.service) {
			return f
		}
	}
	return nil
}

// changeForwards closes the ports that are not wanted any more, and lets others lead elsewhere.
func (s *serving) changeForwards(wanted []forwarding) (changes []string) {
	keep := map[*forwardedPort]bool{}
	for _, to := range wanted {
		f := s.portOf(to)
		if f == nil {
			continue
		}
		keep[f] = true
		to.listener = f.listener
		if now := f.now.Load(); now.peer != to.peer || now.service != to.service {
			f.now.Store(&to)
			changes = append(changes, fmt.Sprintf("now forwards %s", to))
		}
	}
	s.forwards = slices.DeleteFunc(s.forwards, func(f *forwardedPort) bool {
		if !keep[f] {
			f.listener.Close() // connections go on
			changes = append(changes, fmt.Sprintf("no longer forwards %s", f.now.Load()))
		}
		return !keep[f]
	})
	return changes
}

// report tells what is served now.
func (s *serving) report() (report control.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		v := s.services[name]
		e := v.now.Load()
		report.Offers = append(report.Offers, control.Offer{Name: name, What: e.what(), Allow: e.allow, Open: v.tally.open.Load(), Total: v.tally.total.Load()})
		if m := v.mailbox.Load(); m != nil {
			report.Transfers = append(report.Transfers, m.report()...)
		}
	}
	for _, f := range s.forwards {
		now := f.now.Load()
		report.Forwards = append(report.Forwards, control.Forward{
			Listen: f.listener.Addr().String(), Peer: now.peer, Service: now.service, Open: f.tally.open.Load(), Total: f.tally.total.Load(),
		})
	}
	return report
}

// close ends everything, and waits for it. ctx must have ended.
func (s *serving) close() {
	s.mu.Lock()
	for _, v := range s.services {
		v.listener.Close()
	}
	for _, f := range s.forwards {
		f.listener.Close()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}
