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
	// samplesPerSecond and samplesInARow bound how many there are, each of which takes a mapping of this node's network: one for each dial, of
	// which the server takes ten in a second, and at most one for each round of the attempts that may run.
	samplesPerSecond, samplesInARow = 20, wire.MaxRounds * maxRunningAttempts
)

// sampleAsked shows the server a mapping. The client calls it from its reading goroutine.
func (n *Node) sampleAsked(request rendezvous.SampleRequest) {
	n.takeSample(func(ctx context.Context) {
		if !request.Keep {
			n.sample(ctx, request.Attempt)
			return
		}
		if err := n.sampleSpare(ctx, request.Attempt); err != nil {
			n.log.Debug("no second port for the attempt", "attempt", request.Attempt, "err", err)
		}
	})
}

// takeSample runs a task in the background, if not too many run.
func (n *Node) takeSample(task func(context.Context)) {
	if !n.samples.Allow() {
		n.log.Warn("too many samples")
		return
	}
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
	return n.config.system.Connect(ctx, netip.AddrPort{}, remote, nil)
}

// countsPorts tells whether a peer would have to predict this node's next mapping, so that the server is going to want a sample.
func (n *Node) countsPorts() bool {
	state := n.client.State()
	own := rounds.Side{Report: state.Behavior.For(state.Observed.Addr()), Mapped: state.Proof == rendezvous.Proven}
	return rounds.Plan(own, rounds.Side{})[0].Dialer.Sample
}
