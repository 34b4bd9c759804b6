package main

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// every is how often a number is sent.
const every = 10 * time.Millisecond

// numbers are counted up over a connection to an echo service, from 1 on.
type numbers struct {
	conn net.Conn
	held atomic.Bool // nothing is sent

	mark      atomic.Uint64 // numbers above it were sent after the fault
	marked    atomic.Bool
	sent      atomic.Uint64
	first     time.Time     // when the first of them came; good once cameAgain is closed
	cameAgain chan struct{} // closed then
	over      chan struct{} // closed when the connection is, or a wrong number came

	work sync.WaitGroup
	end  chan struct{}
}

// count begins to count. The caller must stop it.
func count(conn net.Conn) *numbers {
	n := &numbers{conn: conn, cameAgain: make(chan struct{}), over: make(chan struct{}), end: make(chan struct{})}
	n.work.Go(n.write)
	n.work.Go(n.read)
	return n
}

// resume goes on after a fault.
func (n *numbers) resume() {
	n.mark.Store(n.sent.Load())
	n.marked.Store(true)
	n.held.Store(false)
}

func (n *numbers) write() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.end:
			return
		}
		if n.held.Load() {
			continue
		}
		if _, err := n.conn.Write(binary.BigEndian.AppendUint64(nil, n.sent.Add(1))); err != nil {
			return // the reader sees it, too
		}
	}
}

func (n *numbers) read() {
	defer close(n.over)
	var buffer [8]byte
	for want := uint64(1); ; want++ {
		if _, err := io.ReadFull(n.conn, buffer[:]); err != nil || binary.BigEndian.Uint64(buffer[:]) != want {
			return
		}
		if n.first.IsZero() && n.marked.Load() && want > n.mark.Load() {
			n.first = time.Now()
			close(n.cameAgain)
		}
	}
}

func (n *numbers) stop() {
	close(n.end)
	n.conn.Close()
	n.work.Wait()
}
