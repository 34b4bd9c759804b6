package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/bodkin-p2p/bodkin"
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

// draw replaces the line that moves by one that is made for so many columns.
func (v *view) draw(line func(width int) string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	width := plainWidth
	if f, ok := v.errs.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
			width = w - 1
		}
	}
	fmt.Fprintf(v.errs, "\r\x1b[K%s", shorten(line(width), width))
	v.drawn = true
}

// leftOut names what is not part of the transfer.
func (v *view) leftOut(paths []string, why func(path string) string) {
	for i, path := range paths {
		if i == mostLeft {
			v.say("left out: %d more", len(paths)-i)
			return
		}
		v.say("left out: %s (%s)", printable(path), why(path))
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
func (v *view) done(verb string, w *watch, paths []string) {
	r := w.meter.Read()
	if v.json {
		j := w.json("done", r)
		j.Speed, j.Paths = math.Round(float64(r.Bytes-r.Resumed)/time.Since(w.since).Seconds()), paths
		v.event(j)
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
