package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/transfer"
)

// maxDeliveries is how many transfers a mailbox takes at once, those that wait for an older one of the same sender too.
const maxDeliveries = 16

// A mailbox takes all that is sent to this node, into one directory.
type mailbox struct {
	ctx context.Context
	dir string
	log *slog.Logger
	say func(delivered) // nil: nobody is told

	tasks sync.WaitGroup

	mu   sync.Mutex // guards the following
	open int
	from map[bodkin.NodeID]*delivery // the newest of each sender
}

// A delivery is one transfer.
type delivery struct {
	stream control.Stream
	meter  transfer.Meter
	begun  atomic.Bool // it waits for no older one any more
	done   chan struct{}
}

// delivered is what has arrived.
type delivered struct {
	peer  string
	id    bodkin.NodeID
	meter transfer.Reading
	paths []string
}

func newMailbox(ctx context.Context, dir string, log *slog.Logger, say func(delivered)) *mailbox {
	return &mailbox{ctx: ctx, dir: dir, log: log, say: say, from: map[bodkin.NodeID]*delivery{}}
}

// serve takes transfers until the listener is closed, and waits for those that are under way.
func (m *mailbox) serve(l net.Listener) error {
	defer context.AfterFunc(m.ctx, func() { l.Close() })()
	defer m.tasks.Wait()
	for {
		conn, err := l.Accept()
		if m.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		stream := conn.(control.Stream)
		m.mu.Lock()
		if m.open == maxDeliveries {
			m.mu.Unlock()
			stream.Refuse("too many are sending")
			continue
		}
		m.open++
		d := &delivery{stream: stream, done: make(chan struct{})}
		older := m.from[stream.Peer()]
		m.from[stream.Peer()] = d
		m.mu.Unlock()
		m.tasks.Go(func() { m.take(d, older) })
	}
}

// take receives a transfer, after an older one of the same sender.
func (m *mailbox) take(d, older *delivery) {
	defer func() {
		close(d.done)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.open--
		if m.from[d.stream.Peer()] == d {
			delete(m.from, d.stream.Peer())
		}
	}()
	if older != nil {
		older.yield(m.ctx)
	}
	d.begun.Store(true)
	peer := d.stream.PeerName()
	m.log.Info("receiving", "peer", peer)
	in := transfer.Receiver{Dir: m.dir, From: d.stream.Peer().String(), Meter: &d.meter}
	received, err := in.Receive(m.ctx, d.stream)
	switch {
	case err == nil:
		m.log.Info("received", "peer", peer, "paths", received.Paths)
		if m.say != nil {
			m.say(delivered{peer, d.stream.Peer(), d.meter.Read(), received.Paths})
		}
	case m.ctx.Err() == nil && !errors.Is(err, transfer.ErrInterrupted):
		m.log.Warn("not received", "peer", peer, "err", plain(err))
	default:
		m.log.Info("interrupted", "peer", peer, "err", plain(err))
	}
}

// report tells of the newest delivery of each sender.
func (m *mailbox) report() (all []control.Transfer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.from {
		now := d.meter.Read()
		all = append(all, control.Transfer{Peer: d.stream.PeerName(), Bytes: now.Bytes, Of: now.Offer.Bytes, Files: now.Files})
	}
	return all
}

// yield waits for a delivery to end, and ends one that stands still: its sender has come back with another stream. One that waits itself
// does not stand still.
func (d *delivery) yield(ctx context.Context) {
	look := time.NewTicker(lookAtMeter)
	defer look.Stop()
	last, since := d.meter.Read(), time.Now()
	for {
		select {
		case <-d.done:
			return
		case <-ctx.Done():
			return
		case <-look.C:
			now := d.meter.Read()
			if !d.begun.Load() || now.Bytes != last.Bytes || now.Files != last.Files || now.Started != last.Started {
				last, since = now, time.Now()
			}
			if standsStill(now, since) {
				d.stream.Abort()
			}
		}
	}
}
