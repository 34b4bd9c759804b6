package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// benchService is what bodkin up answers bodkin bench on. The first byte of a stream says what it is for.
const benchService = "bench"

const (
	benchSource byte = 's' // the answering side writes until it is cut
	benchSink   byte = 'k' // it reads, and writes now and then how much that was: 8 bytes, big-endian
	benchEcho   byte = 'e' // it writes what it reads
)

const (
	maxBenchStreams = 64
	// benchPlaces is how many streams are answered at a time: those of one load and its pings, twice, because those of the load
	// before may not have ended yet.
	benchPlaces = 2 * (maxBenchStreams + 1)
	// benchStreamTime is how long a stream is answered.
	benchStreamTime = maxBenchTime + 30*time.Second

	benchBuffer = 128 << 10
	sinkTells   = 50 * time.Millisecond // how often a sink tells
)

// serveBench answers measurements, of one peer at a time, until the listener is closed.
func serveBench(ctx context.Context, l control.Listener) {
	b := &benchGuests{}
	var streams sync.WaitGroup
	defer streams.Wait()
	for {
		stream, err := l.Accept()
		if err != nil {
			return
		}
		if refusal := b.enter(stream.Peer()); refusal != "" {
			stream.Refuse(refusal)
			continue
		}
		streams.Go(func() {
			defer b.leave()
			defer stream.Abort() // what it did is over, or was not understood
			defer context.AfterFunc(ctx, func() { stream.Abort() })()
			stream.SetDeadline(time.Now().Add(benchStreamTime))
			answerBench(stream)
		})
	}
}

// benchGuests is who measures now.
type benchGuests struct {
	mu      sync.Mutex // guards the following
	peer    bodkin.NodeID
	streams int
}

// enter counts a stream in, or says why not.
func (b *benchGuests) enter(peer bodkin.NodeID) (refusal string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.streams > 0 && b.peer != peer:
		return "another node is measuring now; try again in a while"
	case b.streams == benchPlaces:
		return "too many streams at once"
	}
	b.peer = peer
	b.streams++
	return ""
}

func (b *benchGuests) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams--
}

// answerBench does what the first byte asks for, until the stream ends.
func answerBench(stream control.Stream) error {
	var what [1]byte
	if _, err := io.ReadFull(stream, what[:]); err != nil {
		return err
	}
	switch what[0] {
	case benchSource:
		return pourBench(stream)
	case benchSink:
		return sinkBench(stream)
	case benchEcho:
		_, err := io.Copy(stream, stream)
		return err
	}
	return errors.New("unknown measurement")
}

// pourBench writes until it fails. What it writes is encrypted, so nothing on the way can tell that it is zeros.
func pourBench(to io.Writer) error {
	for buffer := make([]byte, benchBuffer); ; {
		if _, err := to.Write(buffer); err != nil {
			return err
		}
	}
}

// sinkBench reads to the end, and tells how far it is.
func sinkBench(stream net.Conn) error {
	var total uint64
	told := time.Now()
	for buffer := make([]byte, benchBuffer); ; {
		n, err := stream.Read(buffer)
		total += uint64(n)
		if now := time.Now(); err == io.EOF || now.Sub(told) >= sinkTells {
			if _, err := stream.Write(binary.BigEndian.AppendUint64(nil, total)); err != nil {
				return err
			}
			told = now
		}
		if err != nil {
			return err
		}
	}
}
