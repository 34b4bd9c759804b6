package bodkin

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// samplesAtOnce is how many samples for the server are under way at most: a connection each.
	samplesAtOnce = 16
	// sampleTimeout bounds one; the server waits less.
	sampleTimeout = 2 * time.Second
)

// A spare is a second port of an attempt, with the hole connection that shows its mapping and keeps it.
type spare struct {
	port *reuseport.Port
	hole net.Conn // nil: nobody was shown
}

// close gives the port back.
func (s *spare) close() {
	if s == nil {
		return
	}
	if s.hole != nil {
		reuseport.Abort(s.hole)
	}
	s.port.Close()
}

// sampleAsked shows the server a mapping. The client calls it from its reading goroutine.
func (n *Node) sampleAsked(request rendezvous.SampleRequest) {
	a := n.attempts.find(request.Attempt)
	if request.Keep && a == nil {
		return
	}
	n.takeSample(func(ctx context.Context) {
		if !request.Keep {
			n.sample(ctx, request.Attempt)
			return
		}
		s, err := n.sampleSpare(ctx, request.Attempt)
		if err != nil {
			n.log.Debug("no second port for the attempt", "peer", a.peer.Short(), "err", err)
			return
		}
		a.keep(s)
	})
}

// takeSample runs a task in the background, if not too many run.
func (n *Node) takeSample(task func(context.Context)) {
	select {
	case n.sampling <- struct{}{}:
	default:
		n.log.Warn("too many samples at once")
		return
	}
	began := n.spawn(func() {
		defer func() { <-n.sampling }()
		ctx, cancel := context.WithTimeout(n.ctx, sampleTimeout)
		defer cancel()
		task(ctx)
	})
	if !began {
		<-n.sampling
	}
}

// sample shows the server the next mapping of this node's network.
func (n *Node) sample(ctx context.Context, attempt wire.AttemptID) {
	hole, err := n.client.Sample(ctx, attempt, n.dialApart)
	if err != nil {
		n.log.Debug("no sample", "err", err)
		return
	}
	reuseport.Abort(hole)
}

// dialApart connects from a port of its own.
func (n *Node) dialApart(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	return reuseport.Connect{Within: n.config.Within, Remote: remote}.Dial(ctx)
}

// sampleSpare takes a second port and shows the server how that is mapped.
func (n *Node) sampleSpare(ctx context.Context, attempt wire.AttemptID) (*spare, error) {
	port, err := reuseport.Open(ctx, reuseport.Config{Within: n.config.Within})
	if err != nil {
		return nil, err
	}
	hole, err := n.client.Sample(ctx, attempt, port.Dial)
	if err != nil {
		port.Close()
		return nil, err
	}
	n.spawn(func() { n.acceptor.Serve(n.ctx, port) })
	return &spare{port, hole}, nil
}

// countsPorts tells whether a peer would have to predict this node's next mapping, so that the server is going to want a sample.
func (n *Node) countsPorts() bool {
	state := n.client.State()
	own := rounds.Side{Report: state.Behavior.For(state.Observed.Addr()), Mapped: state.Proof == rendezvous.Proven}
	return rounds.Plan(own, rounds.Side{})[0].Dialer.Sample
}
