package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// TestStreamsAreWhatWasWritten has both ends open streams, write, read, pause, end and abort them at random while the connections
// under them are cut, and compares each stream with what it should be. In the end nothing may be left of any of them.
func TestStreamsAreWhatWasWritten(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playStreams(t, seed) })
		})
	}
}

func playStreams(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	a, b := net.Pipe()
	near, far := lines(t, a, b, line.Config{})
	config := Config{Buffer: 16 << 20}
	client, server := over(t, near, far, config)
	done := make(chan struct{})
	var cutting, work sync.WaitGroup
	cutting.Go(func() { cutCarriers(t, rand.New(rand.NewPCG(seed, 2)), near, far, a, done) })
	for _, sides := range [][2]*Session{{client, server}, {server, client}} {
		const streams = 40
		work.Go(func() {
			for range streams {
				stream, err := sides[1].Accept(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				work.Go(func() { answer(t, stream) })
			}
		})
		for i := range streams {
			r := rand.New(rand.NewPCG(seed, random.Uint64()))
			work.Go(func() { ask(t, sides[0], r, uint64(i)) })
		}
	}
	work.Wait()
	close(done)
	cutting.Wait()
	time.Sleep(10 * time.Second) // last words arrive
	synctest.Wait()
	for _, s := range []*Session{client, server} {
		s.mu.Lock()
		if len(s.streams) != 0 || s.incoming != 0 || s.asked != 0 || len(s.opening) != 0 || len(s.speech.streams) != 0 {
			t.Errorf("%d streams are left, %d of the peer's, %d and %d unanswered, %d with words to say", len(s.streams), s.incoming, s.asked, len(s.opening),
				len(s.speech.streams))
		}
		if s.budget.left != config.Buffer || s.store.pinned != 0 {
			t.Errorf("%d bytes of windows and %d of memory are not given back", config.Buffer-s.budget.left, s.store.pinned)
		}
		if s.turns.waiting != 0 || s.turns.promised != 0 || s.turns.fresh.first() != nil || s.turns.now().first() != nil || s.turns.later().first() != nil {
			t.Error("turns are left")
		}
		s.mu.Unlock()
	}
}

// cutCarriers ends connections and makes others until done.
func cutCarriers(t *testing.T, random *rand.Rand, near, far *line.Line, conn net.Conn, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Duration(1+random.IntN(300)) * time.Millisecond):
		}
		if random.IntN(3) > 0 {
			conn.Close()
		}
		a, b := net.Pipe()
		taken := make(chan error, 1)
		go func() {
			request, err := line.Receive(context.Background(), b)
			if err == nil {
				err = far.Take(context.Background(), request, line.Carrier{})
			}
			taken <- err
		}()
		if err := errors.Join(near.Attach(context.Background(), line.Carrier{Conn: a}), <-taken); err != nil {
			t.Error(err)
			return
		}
		conn = a
	}
}

// A promise is what the opener of a stream says first: who it is, how much follows, and what it wants back.
type promise struct{ name, sends, wants uint64 }

// ask opens a stream, and plays the opener's part in random steps.
func ask(t *testing.T, s *Session, random *rand.Rand, name uint64) {
	time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
	stream, err := s.Open(t.Context(), "model")
	if err != nil {
		t.Error(err)
		return
	}
	defer stream.Close()
	p := promise{name, uint64(random.IntN(1 << random.IntN(20))), uint64(random.IntN(1 << random.IntN(20)))}
	var head []byte
	for _, n := range []uint64{p.name, p.sends, p.wants, random.Uint64()} {
		head = binary.BigEndian.AppendUint64(head, n)
	}
	if _, err := stream.Write(head); err != nil {
		t.Error(err)
		return
	}
	if random.IntN(8) == 0 {
		stream.Abort()
		return
	}
	var both sync.WaitGroup
	giving := rand.New(rand.NewPCG(random.Uint64(), 3))
	both.Go(func() { give(t, stream, giving, p.name, p.sends) })
	take(t, stream, rand.New(rand.NewPCG(name, 4)), p.name+1, p.wants)
	both.Wait()
}

// answer plays the other part. A stream may be aborted at any time.
func answer(t *testing.T, stream *Stream) {
	defer stream.Close()
	head := make([]byte, 32)
	if _, err := io.ReadFull(stream, head); err != nil {
		if err != ErrReset {
			t.Error(err)
		}
		return
	}
	p := promise{binary.BigEndian.Uint64(head), binary.BigEndian.Uint64(head[8:]), binary.BigEndian.Uint64(head[16:])}
	random := rand.New(rand.NewPCG(binary.BigEndian.Uint64(head[24:]), 5))
	var both sync.WaitGroup
	giving := rand.New(rand.NewPCG(random.Uint64(), 6))
	both.Go(func() { give(t, stream, giving, p.name+1, p.wants) })
	take(t, stream, random, p.name, p.sends)
	both.Wait()
}

// byteAt is what a direction of a stream has at an offset.
func byteAt(name, offset uint64) byte { return byte(name*31 + offset + offset>>8*7 + offset>>16*13) }

// give writes so many bytes, and the end.
func give(t *testing.T, stream *Stream, random *rand.Rand, name, n uint64) {
	buffer := make([]byte, 100<<10)
	for at := uint64(0); at < n; {
		part := buffer[:min(n-at, uint64(1+random.IntN(1<<random.IntN(17))))]
		for i := range part {
			part[i] = byteAt(name, at+uint64(i))
		}
		wrote, err := stream.Write(part)
		if at += uint64(wrote); err != nil {
			if err != ErrReset {
				t.Errorf("write: %v", err)
			}
			return
		}
		if random.IntN(20) == 0 {
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
	}
	if err := stream.CloseWrite(); err != nil && err != ErrReset {
		t.Errorf("end: %v", err)
	}
}

// take reads to the end, and compares.
func take(t *testing.T, stream *Stream, random *rand.Rand, name, n uint64) {
	buffer := make([]byte, 100<<10)
	for at := uint64(0); ; {
		got, err := stream.Read(buffer[:1+random.IntN(1<<random.IntN(17))])
		for i, b := range buffer[:got] {
			if b != byteAt(name, at+uint64(i)) {
				t.Errorf("byte %d is %d", at+uint64(i), b)
				return
			}
		}
		at += uint64(got)
		switch {
		case err == ErrReset:
			return
		case err == io.EOF && at == n:
			return
		case err != nil:
			t.Errorf("after %d of %d bytes: %v", at, n, err)
			return
		}
		if random.IntN(20) == 0 {
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
	}
}
