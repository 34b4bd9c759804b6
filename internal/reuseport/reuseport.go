// Package reuseport makes many TCP sockets share one local port: the listeners
// and every outgoing connection. That is what a hole through a NAT needs. The
// mapping a NAT makes belongs to the local port, so the SYNs towards a peer, the
// connection to the rendezvous server and the listener must all leave from the
// same one. A dial that silently leaves from another port can never succeed, and
// looks like bad luck; so there is no fallback here, and [Port.Check] proves on
// the running system that sharing works.
//
// All sockets of a [Port] have the same options, since the kernels demand it:
//
//	Linux, BSD   SO_REUSEADDR and SO_REUSEPORT
//	macOS        the same; SO_REUSEPORT must be on the first socket too
//	Windows      SO_REUSEADDR, which there means both
//
// The tests print what the running Linux kernel says to every combination.
//
// What may be dialled, when, and who is at the other end is decided elsewhere.
// On Windows any process, elsewhere any process of the same user, may share the
// port on purpose: whatever arrives on it has to be authenticated.
package reuseport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// ErrPortInUse is returned by [Open] when a socket that is not ours holds the port.
var ErrPortInUse = errors.New("port is in use by another program")

// Config says which port to take and where. Its zero value takes a random port in
// the process's own network.
type Config struct {
	// Port is the port to take. Zero means a random one in 20000-60000 that
	// nobody uses, in IPv4 and in IPv6.
	Port uint16

	// Within runs a function that creates sockets, and returns its error. It is
	// how a test places a Port in another network namespace; nil means to call
	// the function directly. On Linux the function never blocks: a dial waits
	// for its peer outside of it.
	Within netspace.Space
}

// A Port is one local TCP port with a listener for each address family. Its
// methods may be called at the same time.
type Port struct {
	number    uint16
	within    netspace.Space
	listeners []*net.TCPListener // one a family: IPv4, IPv6, or both

	accepted chan acceptance // filled by the accept loops
	closing  chan struct{}   // closed by Close
	work     sync.WaitGroup  // accept loops and dials

	mu        sync.Mutex // guards what follows
	closed    bool
	accepting bool                                  // the accept loops have been started
	dials     map[*context.CancelCauseFunc]struct{} // dials under way
	expected  map[netip.AddrPort]chan<- net.Conn    // remotes whose connection Check wants
}

// Number returns the port number.
func (p *Port) Number() uint16 { return p.number }

// Close closes the listeners, makes pending calls of Accept and Dial fail with
// [net.ErrClosed], waits for them, and closes connections nobody accepted.
// Connections already returned by Accept or Dial belong to the caller and stay.
// A second Close waits too and returns nil.
func (p *Port) Close() error {
	p.mu.Lock()
	first := !p.closed
	if first {
		p.closed = true
		close(p.closing)
		for cancel := range p.dials {
			(*cancel)(net.ErrClosed)
		}
	}
	p.mu.Unlock()

	var err error
	if first {
		err = p.closeListeners()
	}
	p.work.Wait()
	p.dropAccepted()
	return err
}

func (p *Port) closeListeners() error {
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// enter registers a dial, whose context ends when ctx ends or the port closes.
// The caller must call leave when the dial is over.
func (p *Port) enter(ctx context.Context) (dialCtx context.Context, leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, net.ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p.dials[&cancel] = struct{}{}
	p.work.Add(1)
	return ctx, func() {
		p.mu.Lock()
		delete(p.dials, &cancel)
		p.mu.Unlock()
		cancel(nil)
		p.work.Done()
	}, nil
}
