package rendezvous

import (
	"bufio"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// A server's ping interval is kept within these: it is to keep the node's mapping alive, not to flood or to forget it.
	pingIntervalMin = time.Second
	pingIntervalMax = time.Minute
	// queueMax bounds what waits to be sent, in bytes. A connection that does not take that much is dead.
	queueMax     = 256 << 10
	writeTimeout = 15 * time.Second
	// farewell is how long a node that leaves waits for the server to close too.
	farewell = time.Second
)

// A mainConn is one main connection, from its registration to its end.
type mainConn struct {
	client  *Client
	proxied bool
	conn    *tls.Conn
	reader  *bufio.Reader
	state   State // as of the registration

	opened    time.Time    // when its SYN left, about
	named     []netip.Addr // of the servers that the invite names
	welcomed  *wire.Welcome
	interval  time.Duration // between pings
	spread    time.Duration // of the return, should the connection be lost; used by the reader
	holePorts []uint32
	wake      chan struct{} // holds one; the writer has something to do

	registering sync.Mutex   // held from reading told to sending it, so that an older profile is not sent after a newer one
	told        Registration // what the server knows

	mu      sync.Mutex             // guards what follows, but for holing
	leaveBy time.Time              // zero: not leaving
	queue   []byte                 // frames to be sent
	dials   map[uint64]chan answer // by request; nil: the connection is over
	heard   time.Time              // when something came
	pinged  time.Time              // when the ping left that was not answered yet; zero: none
	rtt     time.Duration
	suspicion
	keeping
	dialling

	holing holing
}

// welcome takes over what the server said of itself.
func (s *mainConn) welcome(w *wire.Welcome, at address) {
	s.interval = min(max(time.Duration(w.GetPingIntervalMs())*time.Millisecond, pingIntervalMin), pingIntervalMax)
	s.spread = time.Duration(w.GetReconnectSpreadMs()) * time.Millisecond
	s.welcomed, s.holePorts = w, w.GetHolePorts()
	s.wake = make(chan struct{}, 1)
	s.suspected = make(chan struct{}, 1)
	s.toKeep = make(chan netip.AddrPort, 1)
	s.state = State{Connected: true, Server: at.server, Proxied: s.proxied, Remote: at.addr, Observed: w.GetObserved().AddrPort()}
	s.state.Local = localAddr(s.conn)
}

// serve reads until the connection or ctx ends. The connection is then closed, and nothing of it runs any more.
func (s *mainConn) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		s.leave()
	})
	var running sync.WaitGroup
	s.registeredMapped()
	running.Go(func() { s.write(ctx) })
	running.Go(func() { s.measureAll(ctx) })
	running.Go(func() { s.measureLifetime(ctx) })
	running.Go(func() { s.keepOther(ctx) })
	running.Go(func() { s.witness(ctx) })
	if s.client.roster.isWatched() {
		s.client.watch(true)
	}
	err := s.read()
	s.tellSilence(err)
	cancel()
	s.client.dismiss() // so that who is told by endDials can wait for the next
	s.endDials()
	<-closed
	running.Wait()
	s.conn.Close()
	return err
}

// leave bounds the goodbye: the writer ends with TLS's close_notify, so that the others in the room are told at once, and the reader goes on until the server
// has closed too. What is still on its way from the server would otherwise arrive at the next connection from the same port
// and be answered there with a reset, which closes a Linux NAT's new entry: that connection then hung in 2 of 5 restarts.
func (s *mainConn) leave() {
	s.mu.Lock()
	s.leaveBy = time.Now().Add(farewell)
	s.conn.SetReadDeadline(s.leaveBy)
	s.mu.Unlock()
	s.conn.SetWriteDeadline(s.leaveBy) // of what is being written, and of the goodbye behind it
}

// extendRead gives the server another while for its next message; not once the node is leaving.
func (s *mainConn) extendRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspect = false
	s.heard = time.Now()
	if s.leaveBy.IsZero() {
		s.conn.SetReadDeadline(time.Now().Add(s.interval*5/2 + time.Second))
	}
}

// read handles messages until the connection ends. Silence of two and a half ping intervals is an end: two pongs are missing.
func (s *mainConn) read() error {
	for {
		s.extendRead()
		var m wire.ServerMessage
		if err := wire.Read(s.reader, &m); err != nil {
			return err
		}
		switch body := m.Body.(type) {
		case *wire.ServerMessage_Pong:
			s.ponged(body.Pong)
		case *wire.ServerMessage_Introduction:
			s.introduced(body.Introduction)
		case *wire.ServerMessage_DialFailed:
			s.dialFailed(body.DialFailed)
		case *wire.ServerMessage_MappedProof:
			s.proved(body.MappedProof)
		case *wire.ServerMessage_AttemptOver:
			s.attemptOver(body.AttemptOver)
		case *wire.ServerMessage_RelayOver:
			s.relayOver(body.RelayOver)
		case *wire.ServerMessage_Sample:
			s.sampleAsked(body.Sample)
		case *wire.ServerMessage_DialledBack:
			s.answerDialBack(body.DialledBack)
		case *wire.ServerMessage_SnapshotBegin:
			s.client.roster.begin()
		case *wire.ServerMessage_Presence:
			s.client.roster.apply(body.Presence)
		case *wire.ServerMessage_SnapshotEnd:
			s.client.roster.complete()
		case *wire.ServerMessage_Refused:
			return refused(body.Refused)
		}
	}
}

// send queues a message, and does not block. A server that reads nothing loses the connection.
func (s *mainConn) send(m *wire.ClientMessage) error {
	frame, err := wire.Append(nil, m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dials == nil {
		return ErrOffline
	}
	if len(s.queue)+len(frame) > queueMax {
		s.conn.NetConn().Close()
		return ErrOffline
	}
	s.queue = append(s.queue, frame...)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// write sends what is queued, and pings: at once, again as soon as there is a round trip to tell, and then
// once in each interval, not all nodes at the same time.
func (s *mainConn) write(ctx context.Context) {
	ping := time.NewTimer(0)
	defer ping.Stop()
	for first := true; ; {
		select {
		case <-ctx.Done():
			s.conn.CloseWrite()
			return
		case <-s.wake:
			s.mu.Lock()
			frames := s.queue
			s.queue = nil
			s.mu.Unlock()
			s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := s.conn.Write(frames); err != nil {
				s.conn.NetConn().Close() // the reader tells why
				return
			}
		case <-ping.C:
			s.ping()
			s.retryMapped(time.Now())
			interval := s.client.pingInterval(s.interval)
			pause := interval*7/8 + rand.N(interval/8)
			if first {
				first, pause = false, min(pause, pingIntervalMin)
			}
			ping.Reset(pause)
		}
	}
}

func (s *mainConn) attemptOver(m *wire.AttemptOver) {
	if tell := s.client.config.Over; tell != nil {
		s.client.telling.Lock()
		defer s.client.telling.Unlock()
		tell(wire.AttemptID(m.Attempt), OverReason(m.Reason))
	}
}

func (s *mainConn) relayOver(m *wire.RelayOver) {
	if tell := s.client.config.RelayOver; tell != nil {
		s.client.telling.Lock()
		defer s.client.telling.Unlock()
		tell(wire.AttemptID(m.Attempt), m.Status)
	}
}
