package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// farewellTimeout is how long one side waits for the other's last words after it has said its own.
const farewellTimeout = 5 * time.Second

// ahead is how many pieces may be between the reading of files, their hashing and the connection.
const ahead = 16

// Send offers a source to the Receive at the other end of conn, and sends it. It returns nil when everything is under its
// own name there. It closes conn. meter may be nil.
//
// Errors: [ErrInterrupted] when the connection ended first, or ctx's cause; a [*RemoteError] when the receiver failed or
// declined; [ErrChanged], fs.ErrNotExist, fs.ErrPermission and others of the file system about a file here.
func Send(ctx context.Context, conn net.Conn, source *Source, meter *Meter) error {
	if meter == nil {
		meter = new(Meter)
	}
	meter.begin(source.Offer())
	s := &sending{conn: conn, source: source, meter: meter, out: newFrameWriter(conn), proofs: map[int]sum{}, changed: make(chan struct{}, 1), over: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { s.fail(errStopped) })
	defer stop()
	var hearing sync.WaitGroup
	hearing.Go(s.hear)
	err := s.run()
	if err == nil {
		<-s.over
		err = s.verdict()
	} else {
		err = s.giveUp(err)
	}
	conn.Close()
	hearing.Wait()
	if err != nil {
		return whyDone(ctx, err)
	}
	return nil
}

// sending is a Send at work. One goroutine hears the receiver, one reads files, one hashes, and Send itself writes.
type sending struct {
	conn   net.Conn
	source *Source
	meter  *Meter

	out *frameWriter

	mu      sync.Mutex // guards the following
	haves   map[int]int64
	going   bool
	done    bool
	proofs  map[int]sum
	failure error         // the first of either side
	changed chan struct{} // has a value after a change
	ended   bool
	over    chan struct{} // closed when nothing more is to be heard
}

// fail ends the transfer for the first reason given.
func (s *sending) fail(err error) {
	s.mu.Lock()
	if s.failure == nil {
		s.failure = err
	}
	s.mu.Unlock()
	s.wake()
	s.conn.SetDeadline(time.Now()) // wakes what reads and writes
}

func (s *sending) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// verdict is how the transfer ended, once all is heard.
func (s *sending) verdict() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	return s.failure
}

// giveUp tells the receiver of a failure here, unless it was its own, and returns the failure that was the first.
func (s *sending) giveUp(err error) error {
	if errors.Is(err, ErrInterrupted) { // half a frame may have gone, so nothing can follow; but the receiver may have said why
		select {
		case <-s.over:
		case <-time.After(farewellTimeout):
		}
		s.fail(err)
		return s.verdict()
	}
	s.fail(err)
	first := s.verdict()
	var remote *RemoteError
	if first == nil || errors.As(first, &remote) || errors.Is(first, ErrInterrupted) {
		return first
	}
	<-s.over // its reading has been woken
	s.conn.SetDeadline(time.Now().Add(farewellTimeout))
	if s.writeFailure(first) == nil {
		closeWrite(s.conn)
		io.Copy(io.Discard, s.conn) // so that no reset overtakes the words
	}
	return first
}

func (s *sending) writeFailure(err error) error {
	if e := s.out.write(frameFailed, appendFailure(nil, codeOf(err), err.Error())); e != nil {
		return e
	}
	return s.out.flush()
}

// run says everything that there is to say.
func (s *sending) run() error {
	if err := s.list(); err != nil {
		return err
	}
	err := s.await(func() bool { return s.going })
	if err == errAllThere {
		return nil
	}
	if err != nil {
		return err
	}
	s.meter.start()
	if err := s.content(); err != nil {
		return err
	}
	if err := s.out.write(frameSent, nil); err != nil {
		return cut(err)
	}
	return cut(s.out.flush())
}

// list sends the offer and all entries.
func (s *sending) list() error {
	o := s.source.Offer()
	first := appendOffer(nil, o)
	if len(first) > maxBody {
		return fmt.Errorf("transfer: the names of %d paths are too long together", len(o.Names))
	}
	if err := s.out.write(frameOffer, first); err != nil {
		return cut(err)
	}
	batch := make([]byte, 0, batchSize+maxTarget+maxName+64)
	for i := range s.source.tree.entries {
		if batch = appendEntry(batch, &s.source.tree.entries[i]); len(batch) < batchSize {
			continue
		}
		if err := s.out.write(frameEntries, batch); err != nil {
			return cut(err)
		}
		batch = batch[:0]
	}
	if err := s.out.write(frameEntries, batch); err != nil {
		return cut(err)
	}
	if err := s.out.write(frameListed, nil); err != nil {
		return cut(err)
	}
	return cut(s.out.flush())
}
