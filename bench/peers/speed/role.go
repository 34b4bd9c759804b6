package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// roleCommand is the first argument of a process that sends or receives.
const roleCommand = "role"

// A part is what a role is told.
type part struct {
	Contestant string        `json:"contestant"`
	Streams    int           `json:"streams"` // that carry much
	Small      bool          `json:"small"`   // one more carries small messages
	Time       time.Duration `json:"time"`
	Address    string        `json:"address"` // of the receiver
	Target     target        `json:"target"`  // whom the sender dials
	Profile    string        `json:"profile"`
}

// A target is where a receiver listens.
type target struct {
	Addr string         `json:"addr,omitempty"`
	Peer *peer.AddrInfo `json:"peer,omitempty"`
}

// An account is what a role has measured.
type account struct {
	Bytes []int64       `json:"bytes"` // of each stream; the receiver's
	Time  time.Duration `json:"time"`
	CPU   time.Duration `json:"cpu"`   // of the process, user and system
	Small time.Duration `json:"small"` // round trip of a small message, the median; the sender's
}

// warmUp is how long bytes flow before they count: windows grow, slow start ends.
const warmUp = 500 * time.Millisecond

// all is how many streams there are.
func (p part) all() int {
	if p.Small {
		return p.Streams + 1
	}
	return p.Streams
}

// pieceSize is what is written and read at once.
func (p part) pieceSize() int {
	if p.Streams > 1 {
		return 16 << 10
	}
	return 128 << 10
}

// play sends or receives until it is ended.
func play(args []string) error {
	if len(args) != 2 {
		return errors.New("roles are for the program itself")
	}
	var p part
	if err := json.Unmarshal([]byte(args[1]), &p); err != nil {
		return err
	}
	c, err := contestantNamed(p.Contestant)
	if err != nil {
		return err
	}
	ctx, say := context.Background(), json.NewEncoder(os.Stdout)
	var streams []io.ReadWriter
	if args[0] == "receive" {
		at, accept, err := c.listen(ctx, p)
		if err != nil {
			return err
		}
		say.Encode(at)
		streams, err = accept()
		if err != nil {
			return err
		}
		return measure(p, args[0], streams, io.ReadWriter.Read, say)
	}
	if streams, err = c.dial(ctx, p); err != nil {
		return err
	}
	return measure(p, args[0], streams, io.ReadWriter.Write, say)
}

// measure moves bytes over all streams, says how that went, and goes on until the process is ended.
func measure(p part, role string, streams []io.ReadWriter, move func(io.ReadWriter, []byte) (int, error), say *json.Encoder) error {
	var small *trips
	if p.Small {
		small = newTrips(streams[p.Streams], role == "send")
		streams = streams[:p.Streams]
	}
	counts := make([]atomic.Int64, len(streams))
	first, failed := make(chan struct{}), make(chan error, len(streams))
	var begun atomic.Bool
	for i, s := range streams {
		go func() {
			for buffer := make([]byte, p.pieceSize()); ; {
				n, err := move(s, buffer)
				counts[i].Add(int64(n))
				if n > 0 && !begun.Load() && !begun.Swap(true) {
					close(first)
				}
				if err != nil {
					failed <- fmt.Errorf("%s of %s, stream %d: %w", role, p.Contestant, i, err)
					return
				}
			}
		}()
	}
	select {
	case <-first:
	case err := <-failed:
		return err
	}
	wait(warmUp, failed)
	stop, err := profile(p, role)
	if err != nil {
		return err
	}
	before := make([]int64, len(streams))
	for i := range counts {
		before[i] = counts[i].Load()
	}
	began, cpu := time.Now(), cpuTime()
	if err := wait(p.Time, failed); err != nil {
		return err
	}
	a := account{Time: time.Since(began), CPU: cpuTime() - cpu, Small: small.median(began)}
	for i := range counts {
		a.Bytes = append(a.Bytes, counts[i].Load()-before[i])
	}
	stop()
	say.Encode(a)
	<-failed
	return nil
}

// wait lets time pass, unless a stream fails.
func wait(d time.Duration, failed <-chan error) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-failed:
		return err
	}
}

// profile begins a processor profile if one is wanted.
func profile(p part, role string) (stop func(), err error) {
	if p.Profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(p.Profile, fmt.Sprintf("%s-%d-%s.prof", p.Contestant, p.Streams, role)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
