package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A story tells what happens as it happens.
type story struct {
	out   io.Writer
	style style
	live  bool       // the progress bar may be drawn over itself
	width func() int // of the terminal
	began time.Time
	told  *keeper // what out writes to
}

// A keeper passes writes on, and keeps the first error: a story is told in many lines, of which none asks.
type keeper struct {
	io.Writer
	err error
}

func (k *keeper) Write(b []byte) (int, error) {
	n, err := k.Writer.Write(b)
	if k.err == nil {
		k.err = err
	}
	return n, err
}

func newStory(out io.Writer) *story {
	told := &keeper{Writer: out}
	return &story{out: told, style: styleOf(out), live: isTerminal(out) && takesEscapes(), width: func() int { return terminalWidth(out) }, began: time.Now(), told: told}
}

// terminalWidth is 80 where it cannot be told.
func terminalWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

func (s *story) title() {
	fmt.Fprintf(s.out, "%s\n\n", s.style.bold("bodkin demo: a file between two machines behind NATs, the server killed half-way"))
}

// noLab says why there are no NATs.
func (s *story) noLab(err error) {
	reason := strings.TrimPrefix(plain(err), natlab.ErrUnavailable.Error()+": ")
	s.paragraph(s.style.bad("No NATs can be played here: ") + printable(reason))
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
	fmt.Fprintf(s.out, "           %s  %s\n", s.style.bold(fmt.Sprintf("%+7.1f ms", ms)), fmt.Sprintf(format, args...))
}

// note adds something to a step.
func (s *story) note(format string, args ...any) {
	fmt.Fprintf(s.out, "           %s\n", fmt.Sprintf(format, args...))
}

func (s *story) end(r demoResult) {
	how := "half of it with no server"
	if r.BytesServer != nil {
		how = "directly, and half of it with no server"
	}
	fmt.Fprintf(s.out, "\n%s the file has arrived, %s.\n", s.style.good("Done:"), how)
}

// A progress is a bar that is drawn over itself on a terminal, and a line for each quarter elsewhere.
type progress struct {
	story   *story
	total   int64
	samples []sample // the newest last; those of the last second and one before
	drawn   time.Time
	quarter int64 // last one told
}

// A sample is how much was done when.
type sample struct {
	at   time.Time
	done int64
}

const (
	barIndent   = "           "
	barWidth    = 30 // at most
	barMinWidth = 5  // less is no bar
	barText     = 36 // columns for what is said next to it, mostly
	barInterval = 100 * time.Millisecond
)

func (s *story) progress(total int64) *progress {
	return &progress{story: s, total: total, samples: []sample{{at: time.Now()}}}
}

// update draws, unless it has drawn a moment ago.
func (p *progress) update(done int64) {
	now := time.Now()
	if p.story.live {
		if now.Sub(p.drawn) >= barInterval || done == p.total {
			p.drawn = now
			p.draw(now, done)
		}
		return
	}
	if quarter := 4 * done / p.total; quarter > p.quarter {
		p.quarter = quarter
		p.story.note("%s", p.line(now, done))
	}
}

func (p *progress) draw(now time.Time, done int64) {
	room := p.story.width() - 1 - len(barIndent) // the last column would wrap in some terminals
	bar := ""
	if width := min(barWidth, room-1-barText); width >= barMinWidth {
		full := int(int64(width) * done / p.total)
		bar = strings.Repeat("█", full) + p.story.style.faint(strings.Repeat("░", width-full)) + " "
		room -= width + 1
	}
	fmt.Fprintf(p.story.out, "\r%s%s%s\x1b[K", barIndent, bar, fitting(p.line(now, done), room))
}

// fitting leaves out the last parts of a line, which two spaces separate, until it fits.
func fitting(line string, width int) string {
	for len(line) > width && line != "" {
		line = line[:max(0, strings.LastIndex(line, "  "))]
	}
	return line
}

// line is "52 %  33.3 MB  28.1 MB/s  1 s left", where the rate is that of the last second.
func (p *progress) line(now time.Time, done int64) string {
	line := fmt.Sprintf("%3d %%  %s", 100*done/p.total, byteCount(uint64(done)))
	since := p.samples[0]
	if rate := float64(done-since.done) / now.Sub(since.at).Seconds(); done > since.done && now.After(since.at) {
		line += fmt.Sprintf("  %s/s", byteCount(uint64(rate)))
		if left := float64(p.total-done) / rate; left > 0 {
			line += fmt.Sprintf("  %.0f s left", math.Ceil(left))
		}
	}
	p.samples = append(p.samples, sample{now, done})
	for len(p.samples) > 1 && now.Sub(p.samples[1].at) >= time.Second {
		p.samples = p.samples[1:]
	}
	return line
}

// rest leaves the bar as it is, for something else to be told.
func (p *progress) rest(done int64) {
	if p.story.live {
		p.draw(time.Now(), done)
		fmt.Fprintln(p.story.out)
	}
}
