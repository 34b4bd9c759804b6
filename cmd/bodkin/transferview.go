package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/transfer"
)

const (
	drawEvery  = 200 * time.Millisecond // the line on a terminal
	tellEvery  = time.Second            // progress as JSON, and a look at the path
	speedOver  = 3 * time.Second        // that speed is an average of
	mostLeft   = 10                     // names of what was left out
	plainWidth = 79                     // of a line on a terminal that does not tell
)

// A view shows transfers: to people on errs, with a line that moves if that is a terminal, or to programs on out.
type view struct {
	out, errs io.Writer
	json      bool
	live      bool
	results   bool // paths go to out

	mu     sync.Mutex // guards the following, and one line at a time
	drawn  bool       // there is a line that moves
	waited string     // what is being waited for, which is said once
}

func newView(out, errs io.Writer, asJSON bool) *view {
	return &view{out: out, errs: errs, json: asJSON, live: isTerminal(errs) && takesEscapes() && !asJSON}
}

// event writes an object for programs.
func (v *view) event(o any) error {
	if !v.json {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return json.NewEncoder(v.out).Encode(o)
}

// say tells people something, above the line that moves.
func (v *view) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clearLocked()
	fmt.Fprintf(v.errs, format+"\n", args...)
}

// waiting tells people what is being waited for, unless they know.
func (v *view) waiting(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	v.mu.Lock()
	known := v.waited == text
	v.waited = text
	v.mu.Unlock()
	if !known {
		v.say("%s", text)
	}
}

// clear removes the line that moves.
func (v *view) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clearLocked()
}

func (v *view) clearLocked() {
	if v.drawn {
		fmt.Fprint(v.errs, "\r\x1b[K")
		v.drawn = false
	}
}

// draw replaces the line that moves.
func (v *view) draw(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	width := plainWidth
	if f, ok := v.errs.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
			width = w - 1
		}
	}
	if runes := []rune(text); len(runes) > width {
		text = string(runes[:width])
	}
	fmt.Fprintf(v.errs, "\r\x1b[K%s", text)
	v.drawn = true
}

// leftOut names what is not part of the transfer.
func (v *view) leftOut(paths []string, why string) {
	for i, path := range paths {
		if i == mostLeft {
			v.say("left out: %d more", len(paths)-i)
			return
		}
		v.say("left out: %s (%s)", printable(path), why)
	}
}

// code tells the code and what to do with it.
func (v *view) code(text string) error {
	if v.json {
		return v.event(struct {
			Event string `json:"event"`
			Code  string `json:"code"`
		}{"code", text})
	}
	if _, err := fmt.Fprintf(v.out, "code: %s\n", text); err != nil {
		return err
	}
	v.say("on the other machine, in the same room: bodkin receive %s", text)
	return nil
}

// interrupted tells programs that the connection broke. What is waited for from now on is said again, also if it was said before.
func (v *view) interrupted() {
	v.mu.Lock()
	v.waited = ""
	v.mu.Unlock()
	v.event(struct {
		Event string `json:"event"`
	}{"interrupted"})
}

// transferJSON is what a transfer is, or how far.
type transferJSON struct {
	Event   string         `json:"event"`
	Peer    string         `json:"peer,omitempty"`
	ID      *bodkin.NodeID `json:"id,omitempty"`
	Names   []string       `json:"names,omitempty"`
	Path    string         `json:"path,omitempty"`
	Remote  string         `json:"remote,omitempty"`
	Files   int            `json:"files"`
	Bytes   int64          `json:"bytes"`
	Total   *int64         `json:"total_bytes,omitempty"` // not of a stream
	Resumed int64          `json:"resumed_bytes"`
	Speed   float64        `json:"bytes_per_second"`
	Paths   []string       `json:"paths,omitempty"`
}

// done tells the end.
func (v *view) done(verb string, r transfer.Reading, paths []string) {
	v.event(transferJSON{Event: "done", Names: r.Offer.Names, Files: r.Files, Bytes: r.Bytes, Resumed: r.Resumed, Paths: paths})
	if v.json {
		return
	}
	text := fmt.Sprintf("%s %s: %s", verb, names(r.Offer.Names), amount(r.Files, r.Bytes))
	if r.Resumed > 0 {
		text += fmt.Sprintf(", of which %s were there already", byteCount(uint64(r.Resumed)))
	}
	v.say("%s", text)
	if v.results {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, path := range paths {
			fmt.Fprintln(v.out, printable(path))
		}
	}
}

// amount tells how much it is: "3 files, 1.2 MB".
func amount(files int, bytes int64) string {
	if files == 1 {
		return byteCount(uint64(bytes))
	}
	return fmt.Sprintf("%d files, %s", files, byteCount(uint64(bytes)))
}

// names tells what it is: "photos, notes.txt and 3 more".
func names(all []string) string {
	const most = 3
	text := ""
	for i, name := range all {
		switch {
		case i == most:
			return fmt.Sprintf("%s and %d more", text, len(all)-i)
		case i > 0:
			text += ", "
		}
		text += printable(name)
	}
	return text
}

// A watch shows one connection's transfer while it runs.
type watch struct {
	view     *view
	toward   string // "to" or "from"
	peer     string
	id       bodkin.NodeID
	node     control.Node
	meter    *transfer.Meter
	path     bodkin.Path
	told     bool // the offer
	samples  []moment
	finished chan struct{}
	ended    chan struct{}
}

// watch begins to show a transfer until stop.
func (v *view) watch(ctx context.Context, toward string, stream control.Stream, node control.Node, meter *transfer.Meter) *watch {
	w := &watch{view: v, toward: toward, peer: stream.PeerName(), id: stream.Peer(), node: node, meter: meter, path: stream.Path(),
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
				w.view.draw(progressLine(r, speedOf(w.samples), w.path))
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

// progressLine tells how far a transfer is: "photos  45% of 1.2 GB  83.1 MB/s  0:07 left  direct".
func progressLine(r transfer.Reading, speed float64, path bodkin.Path) string {
	o := r.Offer
	text := names(o.Names) + "  "
	switch {
	case o.Stream:
		text += byteCount(uint64(r.Bytes))
	case o.Bytes > 0:
		text += fmt.Sprintf("%d%% of %s", r.Bytes*100/o.Bytes, byteCount(uint64(o.Bytes)))
	default:
		text += fmt.Sprintf("%d of %d files", r.Files, o.Files)
	}
	if o.Files > 1 && o.Bytes > 0 {
		text += fmt.Sprintf("  %d of %d files", r.Files, o.Files)
	}
	if speed > 0 {
		text += fmt.Sprintf("  %s/s", byteCount(uint64(speed)))
		if !o.Stream {
			text += "  " + clock(time.Duration(float64(o.Bytes-r.Bytes)/speed*float64(time.Second))) + " left"
		}
	}
	return text + "  " + path.Kind.String()
}

// clock is a length of time as clocks show it: 0:07, 1:02:03.
func clock(d time.Duration) string {
	s := int64(math.Ceil(max(0, min(d, 1000*time.Hour)).Seconds()))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
