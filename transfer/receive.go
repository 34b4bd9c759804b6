package transfer

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"
)

// A Receiver takes what a [Send] sends. Dir or Output must be set.
type Receiver struct {
	// Dir is where everything goes. It must exist.
	Dir string

	// Output takes the content of a single file instead. What was written before a failure was not verified.
	Output io.Writer

	// From tells who sends. A transfer goes on from what an earlier one left if that came from the same sender, under the
	// same names.
	From string

	// Accept is asked about each offer; its error, which wraps [ErrDeclined] or not, is told to the sender. Nil accepts all.
	Accept func(Offer) error

	// Meter tells how far it is. It may be nil.
	Meter *Meter
}

// Received is what became of a transfer.
type Received struct {
	Offer   Offer
	Paths   []string // what is there now, one for each name of the offer
	LeftOut []string // links that were not made, because they lead outside
	Resumed int64    // bytes that an earlier transfer had left
	Staging string   // where what has arrived so far waits for another run; empty after success, or if nothing has
}

// Receive takes one transfer from conn, and closes it. It returns nil when everything is under its own name in Dir, and the
// sender was told so. Otherwise nothing is; what has arrived waits in a hidden directory for another run.
//
// Errors: [ErrInterrupted] when the connection ended first, or ctx's cause; a [*RemoteError] when the sender failed;
// [ErrExists] where a name is taken, [ErrNoSpace], [ErrCorrupt], [ErrProtocol], what Accept returned, and those of the file
// system.
func (r Receiver) Receive(ctx context.Context, conn net.Conn) (Received, error) {
	if r.Meter == nil {
		r.Meter = new(Meter)
	}
	in := &receiving{Receiver: r, conn: conn, in: newFrameReader(conn), out: newFrameWriter(conn)}
	stop := context.AfterFunc(ctx, func() {
		in.fail(errStopped)
		conn.SetDeadline(time.Now())
	})
	defer stop()
	defer conn.Close()
	err := in.run()
	if err != nil {
		err = in.giveUp(err)
	}
	if err != nil {
		return in.result, whyDone(ctx, err)
	}
	return in.result, nil
}

// receiving is a Receive at work.
type receiving struct {
	Receiver
	conn   net.Conn
	in     *frameReader
	result Received
	tree   tree
	store  store

	wmu    sync.Mutex // guards out: proofs are written beside everything else
	out    *frameWriter
	broken bool // a write failed, so that half a frame may have gone

	mu      sync.Mutex // guards the following
	failure error      // the first
}

// fail ends the transfer for the first reason given.
func (r *receiving) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
	r.conn.SetReadDeadline(time.Now()) // wakes who reads
}

// giveUp tells the sender of a failure here, and returns the one that was first.
func (r *receiving) giveUp(err error) error {
	r.fail(err)
	r.mu.Lock()
	err = r.failure
	r.mu.Unlock()
	var remote *RemoteError
	if errors.As(err, &remote) || errors.Is(err, ErrInterrupted) {
		return err
	}
	r.conn.SetDeadline(time.Now().Add(farewellTimeout))
	if r.write(frameFailed, appendFailure(nil, codeOf(err), err.Error())) == nil {
		closeWrite(r.conn)
		io.Copy(io.Discard, r.conn) // what is on its way, so that no reset overtakes the words
	}
	return err
}

// write writes a frame at once.
func (r *receiving) write(kind frameKind, data []byte) error {
	r.wmu.Lock()
	defer r.wmu.Unlock()
	if r.broken {
		return ErrInterrupted
	}
	err := r.out.write(kind, data)
	if err == nil {
		err = r.out.flush()
	}
	r.broken = err != nil
	return cut(err)
}

func (r *receiving) run() error {
	if err := r.offer(); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	defer r.store.close()
	if err := r.collect(); err != nil {
		if errors.Is(err, ErrProtocol) {
			r.store.remove() // nothing that is worth keeping comes from there
		}
		r.result.Staging = r.store.left()
		return err
	}
	if r.Output == nil {
		for _, name := range r.result.Offer.Names {
			r.result.Paths = append(r.result.Paths, filepath.Join(r.Dir, name))
		}
	}
	err := r.write(frameDone, nil)
	r.store.remove()
	if err != nil {
		return nil // everything is here; that the sender does not know it is for the sender to tell
	}
	closeWrite(r.conn)
	r.conn.SetReadDeadline(time.Now().Add(farewellTimeout))
	io.Copy(io.Discard, r.conn) // the sender closes when it has heard
	return nil
}

// collect takes everything, and gives it its name.
func (r *receiving) collect() error {
	if err := r.listing(); err != nil {
		return err
	}
	for i := range r.tree.entries {
		if e := &r.tree.entries[i]; e.kind == kindLink && !staysInside(e.target, e.depth) {
			r.result.LeftOut = append(r.result.LeftOut, r.tree.path(i))
		}
	}
	if err := r.content(); err != nil {
		return err
	}
	r.result.Resumed = r.Meter.resumed.Load()
	return r.store.commit()
}
