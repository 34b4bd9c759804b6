package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/control"
)

// loadRun is a load at work.
type loadRun struct {
	load
	fail   context.CancelCauseFunc
	bytes  atomic.Int64  // that have arrived
	moving chan struct{} // has a value once the first have
}

// open opens a stream of a kind.
func (r *loadRun) open(ctx context.Context, dial func(context.Context) (control.Stream, error), kind byte) (control.Stream, error) {
	stream, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := stream.Write([]byte{kind}); err != nil {
		err = whyRefused(stream, err)
		stream.Abort()
		return nil, err
	}
	return stream, nil
}

// whyRefused finds the reason for a failed write: a stream that was refused tells it to those who read.
func whyRefused(stream net.Conn, failed error) error {
	stream.SetReadDeadline(time.Now().Add(time.Second))
	for one := make([]byte, 1); ; {
		switch _, err := stream.Read(one); {
		case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
			return failed
		case err != nil:
			return err
		}
	}
}

// arrived counts bytes.
func (r *loadRun) arrived(n int64) {
	if n == 0 {
		return
	}
	r.bytes.Add(n)
	select {
	case r.moving <- struct{}{}:
	default:
	}
}

// begun waits for the first bytes.
func (r *loadRun) begun(ctx context.Context) error {
	if r.streams == 0 {
		return nil
	}
	patience := time.NewTimer(benchPatience)
	defer patience.Stop()
	select {
	case <-r.moving:
		return nil
	case <-patience.C:
		return errors.New("nothing arrives")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take reads a source.
func (r *loadRun) take(stream net.Conn) error {
	for buffer := make([]byte, benchBuffer); ; {
		n, err := stream.Read(buffer)
		r.arrived(int64(n))
		if err != nil {
			return err
		}
	}
}

// give writes to a sink, and hears how much has arrived.
func (r *loadRun) give(stream net.Conn) error {
	var writing sync.WaitGroup
	defer writing.Wait()
	defer stream.Close() // ends the writing
	writing.Go(func() { pourBench(stream) })
	return r.hear(stream) // which says why, where a failed write only says that
}

func (r *loadRun) hear(stream io.Reader) error {
	var last uint64
	for {
		var told [8]byte
		if _, err := io.ReadFull(stream, told[:]); err != nil {
			return err
		}
		total := binary.BigEndian.Uint64(told[:])
		if total < last {
			return errors.New("the other side counts backwards")
		}
		r.arrived(int64(total - last))
		last = total
	}
}

// count counts what arrives while the load lasts.
func (r *loadRun) count(ctx context.Context, progress func(float64)) (bytes int64, over time.Duration, err error) {
	began := time.Now()
	look := time.NewTicker(drawEvery)
	defer look.Stop()
	warm, end := time.NewTimer(r.lasts/3), time.NewTimer(r.lasts)
	defer warm.Stop()
	defer end.Stop()
	from, since := int64(0), began
	last, at := int64(0), began
	for {
		select {
		case <-warm.C:
			from, since = r.bytes.Load(), time.Now()
			end.Reset(r.lasts - r.lasts/3) // from now: on a machine that stood still both timers are over
		case <-look.C:
			now, n := time.Now(), r.bytes.Load()
			progress(float64(n-last) / now.Sub(at).Seconds())
			last, at = n, now
		case <-end.C:
			return r.bytes.Load() - from, time.Since(since), nil
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		}
	}
}

// pingBench measures round trips over an echo until ctx ends or the stream is cut, which is no failure.
func pingBench(ctx context.Context, stream net.Conn) (rtts []time.Duration, err error) {
	var message [8]byte
	for n := uint64(0); ; n++ {
		binary.BigEndian.PutUint64(message[:], n)
		sent := time.Now()
		if _, err := stream.Write(message[:]); err != nil {
			return rtts, whyCut(ctx, whyRefused(stream, err))
		}
		if _, err := io.ReadFull(stream, message[:]); err != nil {
			return rtts, whyCut(ctx, err)
		}
		if binary.BigEndian.Uint64(message[:]) != n {
			return rtts, errors.New("the other side answers what was not asked")
		}
		took := time.Since(sent)
		rtts = append(rtts, took)
		if pause(ctx, true, benchPings-min(took, benchPings)) != nil {
			return rtts, nil
		}
	}
}

// whyCut is nil where ctx has ended, and this side has cut the stream.
func whyCut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
