package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/transfer"
)

// A watch shows one connection's transfer while it runs.
type watch struct {
	view     *view
	toward   string // "to" or "from"
	peer     string
	id       bodkin.NodeID
	node     control.Node
	meter    *transfer.Meter
	path     bodkin.Path
	since    time.Time
	told     bool // the offer
	samples  []moment
	finished chan struct{}
	ended    chan struct{}
}

// watch begins to show a transfer until stop.
func (v *view) watch(ctx context.Context, toward string, stream control.Stream, node control.Node, meter *transfer.Meter) *watch {
	w := &watch{view: v, toward: toward, peer: stream.PeerName(), id: stream.Peer(), node: node, meter: meter, path: stream.Path(), since: time.Now(),
		finished: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.run(ctx)
	}()
	return w
}

// stop ends it, and takes the line that moves away.
func (w *watch) stop() {
	close(w.finished)
	<-w.ended
	w.begin(w.meter.Read())
	w.view.mu.Lock()
	defer w.view.mu.Unlock()
	w.view.clearLocked()
}

func (w *watch) run(ctx context.Context) {
	draw, tell := time.NewTicker(drawEvery), time.NewTicker(tellEvery)
	defer draw.Stop()
	defer tell.Stop()
	for {
		select {
		case <-draw.C:
			r := w.meter.Read()
			w.begin(r)
			if w.sample(time.Now(), r); w.view.live && w.told {
				w.view.draw(func(width int) string { return progressLine(r, speedOf(w.samples), w.path, width) })
			}
		case <-tell.C:
			w.lookAtPath(ctx)
			if r := w.meter.Read(); r.Started {
				w.view.event(w.json("progress", r))
			}
		case <-w.finished:
			return
		}
	}
}

// begin tells once what the transfer is.
func (w *watch) begin(r transfer.Reading) {
	if w.told || !r.Started {
		return
	}
	w.told = true
	w.view.event(w.json("start", r))
	if !w.view.json {
		how := amount(r.Offer.Files, r.Offer.Bytes)
		if r.Offer.Stream {
			how = "as much as comes"
		}
		w.view.say("%s (%s) %s %s, %s", names(r.Offer.Names), how, w.toward, printable(w.peer), route(w.path))
	}
}

func (w *watch) json(event string, r transfer.Reading) transferJSON {
	j := transferJSON{Event: event, Peer: w.peer, ID: &w.id, Names: r.Offer.Names, Path: w.path.Kind.String(), Remote: w.path.Remote.String(),
		Files: r.Files, Bytes: r.Bytes, Resumed: r.Resumed, Speed: math.Round(speedOf(w.samples))}
	if !r.Offer.Stream {
		j.Total = &r.Offer.Bytes
	}
	return j
}

// lookAtPath tells when the bytes travel another way.
func (w *watch) lookAtPath(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tellEvery)
	defer cancel()
	peers, err := w.node.Peers(ctx)
	if err != nil {
		return
	}
	for _, p := range peers {
		if p.ID != w.id || p.Path == nil || p.Path.Kind == w.path.Kind && p.Path.Remote == w.path.Remote {
			continue
		}
		w.path = *p.Path
		w.view.event(w.json("path", w.meter.Read()))
		if !w.view.json {
			w.view.say("now %s", route(w.path))
		}
	}
}

// A moment is how many bytes had been sent at a time, without those of earlier runs.
type moment struct {
	at    time.Time
	bytes int64
}

// sample notes one, and drops those that are too old.
func (w *watch) sample(now time.Time, r transfer.Reading) {
	if !r.Started {
		return
	}
	w.samples = append(w.samples, moment{now, r.Bytes - r.Resumed})
	for len(w.samples) > 2 && now.Sub(w.samples[1].at) >= speedOver {
		w.samples = w.samples[1:]
	}
}

// speedOf is in bytes a second; 0 if it is not known yet.
func speedOf(samples []moment) float64 {
	if len(samples) < 2 {
		return 0
	}
	first, last := samples[0], samples[len(samples)-1]
	return float64(last.bytes-first.bytes) / last.at.Sub(first.at).Seconds()
}

// leastNames is how many columns names keep before other fields of a line make room for them.
const leastNames = 8

// progressLine tells how far a transfer is: "photos  45% of 1.2 GB  83.1 MB/s  0:07 left  direct". Where that is wider than the terminal, what
// is missed least goes first.
func progressLine(r transfer.Reading, speed float64, path bodkin.Path, width int) string {
	o := r.Offer
	type field struct {
		text  string
		spare int // fields of a higher number go first; 0 stays
	}
	var fields []field
	add := func(spare int, format string, args ...any) {
		fields = append(fields, field{fmt.Sprintf(format, args...), spare})
	}
	switch {
	case o.Stream:
		add(0, "%s", byteCount(uint64(r.Bytes)))
	case o.Bytes > 0:
		add(0, "%d%% of %s", r.Bytes*100/o.Bytes, byteCount(uint64(o.Bytes)))
	default:
		add(0, "%d of %d files", r.Files, o.Files)
	}
	if o.Files > 1 && o.Bytes > 0 {
		add(4, "%d of %d files", r.Files, o.Files)
	}
	if speed > 0 {
		add(2, "%s/s", byteCount(uint64(speed)))
		if !o.Stream {
			add(1, "%s left", clock(time.Duration(float64(o.Bytes-r.Bytes)/speed*float64(time.Second))))
		}
	}
	add(3, "%s", path.Kind)
	title := names(o.Names)
	for spare := 4; ; spare-- {
		rest := ""
		for _, f := range fields {
			rest += "  " + f.text
		}
		room := width - cells(rest)
		if room >= min(cells(title), leastNames) || spare == 0 && room > 1 {
			return shorten(title, room) + rest
		}
		if spare == 0 {
			return shorten(strings.TrimSpace(rest), width)
		}
		fields = slices.DeleteFunc(fields, func(f field) bool { return f.spare == spare })
	}
}

// clock is a length of time as clocks show it: 0:07, 1:02:03.
func clock(d time.Duration) string {
	s := int64(math.Ceil(max(0, min(d, 1000*time.Hour)).Seconds()))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
