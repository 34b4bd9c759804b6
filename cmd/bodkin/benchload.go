package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

const (
	// benchPings is the pause between two pings of a measurement.
	benchPings = 20 * time.Millisecond
	// benchPatience is how long the first byte of a load may take.
	benchPatience = 20 * time.Second
)

// A load is what is measured at once: nothing but pings, or so many streams in one direction, and pings beside them.
type load struct {
	direction benchDirection
	streams   int
	lasts     time.Duration
}

// benchDirection is where the bytes of a load go.
type benchDirection string

const (
	benchIdle benchDirection = "idle"
	benchFrom benchDirection = "from" // from the peer to here
	benchTo   benchDirection = "to"
)

// A loaded is what came of a load.
type loaded struct {
	load
	path  bodkin.Path     // when it began
	over  time.Duration   // that bytes were counted: the last two thirds, when TCP has found its pace
	bytes int64           // that arrived meanwhile
	rtts  []time.Duration // of pings, in ascending order
}

// bitsPerSecond is the throughput.
func (l loaded) bitsPerSecond() float64 {
	if l.over <= 0 {
		return 0
	}
	return float64(l.bytes) * 8 / l.over.Seconds()
}

// rtt is the median; 0 without any.
func (l loaded) rtt() time.Duration {
	if len(l.rtts) == 0 {
		return 0
	}
	return l.rtts[len(l.rtts)/2]
}

// run puts the load on the path that dial opens streams on. progress hears of bytes per second now and then.
func (l load) run(ctx context.Context, dial func(context.Context) (control.Stream, error), progress func(bytesPerSecond float64)) (loaded, error) {
	r := &loadRun{load: l, moving: make(chan struct{}, 1)}
	ctx, r.fail = context.WithCancelCause(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer r.fail(nil)
	pings, err := r.open(ctx, dial, benchEcho)
	if err != nil {
		return loaded{}, err
	}
	result := loaded{load: l, path: pings.Path()}
	var rtts []time.Duration
	var pinging sync.WaitGroup
	pinged, stopPings := context.WithCancel(ctx)
	stop := func() {
		stopPings()
		pings.Abort()
		pinging.Wait()
	}
	defer stop()
	for range l.streams {
		kind, move := benchSource, r.take
		if l.direction == benchTo {
			kind, move = benchSink, r.give
		}
		stream, err := r.open(ctx, dial, kind)
		if err != nil {
			return loaded{}, err
		}
		tasks.Go(func() {
			defer stream.Abort()
			defer context.AfterFunc(ctx, func() { stream.Abort() })()
			if err := move(stream); ctx.Err() == nil {
				r.fail(err)
			}
		})
	}
	if err := r.begun(ctx); err != nil {
		return loaded{}, err
	}
	pinging.Go(func() {
		var err error
		if rtts, err = pingBench(pinged, pings); err != nil {
			r.fail(err)
		}
	})
	result.bytes, result.over, err = r.count(ctx, progress)
	if err != nil {
		return loaded{}, err
	}
	stop()
	slices.Sort(rtts)
	result.rtts = rtts
	return result, nil
}
