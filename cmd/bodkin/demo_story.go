package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A story tells what happens as it happens.
type story struct {
	out   io.Writer
	style style
	live  bool // the progress bar may be drawn over itself
	began time.Time
}

func newStory(out io.Writer) *story {
	return &story{out: out, style: styleOf(out), live: isTerminal(out) && takesEscapes(), began: time.Now()}
}

func (s *story) title() {
	fmt.Fprintf(s.out, "%s\n\n", s.style.bold("bodkin demo: a file between two machines behind NATs, the server killed half-way"))
}

// noLab says why there are no NATs, and what to do about it.
func (s *story) noLab(err error) {
	reason := strings.TrimPrefix(plain(err), natlab.ErrUnavailable.Error()+": ")
	if errors.Is(err, natlab.ErrUnavailable) {
		s.paragraph(s.style.bad("No NATs can be played here: ") + reason)
		return
	}
	s.paragraph(s.style.bad("The lab could not be built: ") + reason)
}

func (s *story) paragraph(text string) { fmt.Fprintf(s.out, "%s\n\n", text) }

func (s *story) picture(text string) { fmt.Fprintln(s.out, strings.TrimPrefix(text, "\n")) }

// begin starts the clock of the steps.
func (s *story) begin() { s.began = time.Now() }

// step tells what has just happened.
func (s *story) step(format string, args ...any) {
	fmt.Fprintf(s.out, "%s %s\n", s.style.faint(fmt.Sprintf("%7.3f s ", time.Since(s.began).Seconds())), fmt.Sprintf(format, args...))
}

// mark tells when a part of a step happened, in milliseconds from the start of the step.
func (s *story) mark(ms float64, format string, args ...any) {
	fmt.Fprintf(s.out, "           %s %s\n", s.style.bold(fmt.Sprintf("+%5.1f ms", ms)), fmt.Sprintf(format, args...))
}

// note adds something to a step.
func (s *story) note(format string, args ...any) {
	fmt.Fprintf(s.out, "           %s\n", fmt.Sprintf(format, args...))
}

func (s *story) end(r demoResult) {
	fmt.Fprintf(s.out, "\n%s %s of %s arrived unharmed, half of it with the server dead.\n",
		s.style.good("Done:"), byteCount(uint64(r.Bytes)), "it")
}

// A progress is a bar that is drawn over itself on a terminal, and a line for each quarter elsewhere.
type progress struct {
	story   *story
	total   int64
	began   time.Time
	drawn   time.Time
	quarter int64 // last one told
}

const (
	barWidth    = 30
	barInterval = 100 * time.Millisecond
)

func (s *story) progress(total int64) *progress {
	return &progress{story: s, total: total, began: time.Now()}
}

// update draws, unless it has drawn a moment ago.
func (p *progress) update(done int64) {
	if !p.story.live {
		if quarter := 4 * done / p.total; quarter > p.quarter {
			p.quarter = quarter
			p.story.note("%s", p.line(done))
		}
		return
	}
	if now := time.Now(); now.Sub(p.drawn) >= barInterval || done == p.total {
		p.drawn = now
		full := int(barWidth * done / p.total)
		fmt.Fprintf(p.story.out, "\r           %s%s %s\x1b[K", strings.Repeat("█", full), p.story.style.faint(strings.Repeat("░", barWidth-full)), p.line(done))
	}
}

// line is "52 %  33.3 MB  28.1 MB/s  1 s left".
func (p *progress) line(done int64) string {
	seconds := time.Since(p.began).Seconds()
	line := fmt.Sprintf("%3d %%  %s", 100*done/p.total, byteCount(uint64(done)))
	if rate := float64(done) / seconds; seconds > 0 && done > 0 {
		line += fmt.Sprintf("  %s/s  %.0f s left", byteCount(uint64(rate)), float64(p.total-done)/rate)
	}
	return line
}

// clear takes the bar off the terminal.
func (p *progress) clear() {
	if p.story.live {
		fmt.Fprint(p.story.out, "\r\x1b[K")
	}
}
