package reuseport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Check proves on the loopback interface that sharing works here, for each family:
// while two connections leave from the port at once, and arrive with it as their
// source, a third one is accepted on it. Something in a system can defeat reuse
// without an error anywhere else, and then no punch ever succeeds. Call it once
// after Open. It takes about a millisecond, and fails when ctx or the port ends.
func (p *Port) Check(ctx context.Context) error {
	ctx, leave, err := p.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, l := range p.listeners {
		loopback := netip.IPv6Loopback()
		if listenAddrPort(l).Addr().Is4() {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		if err := p.checkFamily(ctx, loopback); err != nil {
			return fmt.Errorf("check that port %d is shared on %v: %w", p.number, loopback, err)
		}
	}
	return nil
}

func (p *Port) checkFamily(ctx context.Context, loopback netip.Addr) error {
	for range 2 {
		closeBoth, err := p.checkLeaving(ctx, loopback)
		if err != nil {
			return err
		}
		defer closeBoth() // at the end: the connections must exist at once
	}
	return p.checkArriving(ctx, loopback)
}

// checkLeaving dials from the port to a listener of its own and looks from where the
// connection comes there. The caller calls closeBoth to close both ends.
func (p *Port) checkLeaving(ctx context.Context, loopback netip.Addr) (closeBoth func(), err error) {
	witness, err := p.listenWitness(ctx, loopback)
	if err != nil {
		return nil, err
	}
	defer witness.Close()
	defer context.AfterFunc(ctx, func() { _ = witness.Close() })()

	leaving, err := connect(ctx, p.within, unwatched, p.source(loopback), listenAddrPort(witness))
	if err != nil {
		return nil, err
	}
	arrived, err := witness.AcceptTCP()
	if err != nil {
		_ = Abort(leaving)
		return nil, err
	}
	closeBoth = func() {
		_ = Abort(leaving)
		_ = Abort(arrived)
	}
	if from := remoteAddrPort(arrived); from != netip.AddrPortFrom(loopback, p.number) {
		closeBoth()
		return nil, fmt.Errorf("a connection left from port %d", from.Port())
	}
	return closeBoth, nil
}

// checkArriving dials to the port and waits until the connection is accepted there.
// It dials from the port of a listener, since that is known before the connection
// can arrive.
func (p *Port) checkArriving(ctx context.Context, loopback netip.Addr) error {
	source, err := p.listenWitness(ctx, loopback)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := p.startAccepting(); err != nil {
		return err
	}
	arrived, forget := p.expect(listenAddrPort(source))
	defer forget()

	leaving, err := connect(ctx, p.within, unwatched, listenAddrPort(source), netip.AddrPortFrom(loopback, p.number))
	if err != nil {
		return err
	}
	defer func() { _ = Abort(leaving) }()
	select {
	case c := <-arrived:
		return Abort(c)
	case <-ctx.Done():
		return fmt.Errorf("a connection to the port was not accepted: %w", ctx.Err())
	}
}

// listenWitness listens on a free port of the loopback address.
func (p *Port) listenWitness(ctx context.Context, loopback netip.Addr) (l *net.TCPListener, err error) {
	err = p.within.Do(func() error {
		l, err = listen(ctx, netip.AddrPortFrom(loopback, 0))
		return err
	})
	return l, err
}

func listenAddrPort(l *net.TCPListener) netip.AddrPort {
	a := l.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
