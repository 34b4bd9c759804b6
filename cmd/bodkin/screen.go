package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/bodkin-p2p/bodkin"
)

const (
	sigint = syscall.SIGINT
	ctrlC  = 3 // as a terminal in raw mode sends it

	maxTypedLine = 1 << 20 // of stdin, as the longest line a program may say
)

// A screen is where a chat is read and written. On a terminal, lines that come in are printed above the one that is
// being typed; elsewhere messages go to stdout and notices to stderr.
type screen struct {
	interactive bool
	in          io.Reader
	out, errs   io.Writer
	json        bool
	terminal    *term.Terminal // nil unless interactive
	size        func() (width, height int, err error)
	restore     func() error

	mu sync.Mutex // one line at a time
}

// newScreen puts a terminal into raw mode, which close undoes. interrupt is called at Ctrl-C, which is then no signal.
func newScreen(in io.Reader, out, errs io.Writer, asJSON bool, interrupt func()) (*screen, error) {
	s := &screen{in: in, out: out, errs: errs, json: asJSON, interactive: isTerminal(in)}
	if !s.interactive || !isTerminal(out) || !takesEscapes() || asJSON {
		return s, nil
	}
	fd := int(in.(*os.File).Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	keys := &keyboard{in, interrupt}
	s.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, out}, "> ")
	s.size = func() (int, int, error) { return term.GetSize(fd) }
	s.restore = func() error { return term.Restore(fd, before) }
	return s, nil
}

// A keyboard finds Ctrl-C among what is typed.
type keyboard struct {
	io.Reader
	interrupt func()
}

func (k *keyboard) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if bytes.IndexByte(p[:n], ctrlC) >= 0 {
		k.interrupt()
	}
	return n, err
}

// close gives the terminal back.
func (s *screen) close() {
	if s.terminal == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, "\r\x1b[K") // the prompt
	s.restore()
}

// lines returns the lines that are typed, and, once the channel is closed, why there are no more. The goroutine that
// reads ends with stdin or the process.
func (s *screen) lines() (<-chan string, func() error) {
	lines := make(chan string)
	var why error
	go func() {
		defer close(lines)
		if s.terminal != nil {
			why = s.readTerminal(lines)
			return
		}
		scanner := bufio.NewScanner(s.in)
		scanner.Buffer(nil, maxTypedLine)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		why = scanner.Err()
	}()
	return lines, func() error { return why }
}

func (s *screen) readTerminal(lines chan<- string) error {
	for {
		if width, height, err := s.size(); err == nil {
			s.terminal.SetSize(width, height)
		}
		line, err := s.terminal.ReadLine()
		if err != nil && err != term.ErrPasteIndicator {
			return err
		}
		if line != "" {
			lines <- line
		}
	}
}

// message prints a line that somebody said.
func (s *screen) message(who person, text string) {
	if s.json {
		s.mu.Lock()
		defer s.mu.Unlock()
		json.NewEncoder(s.out).Encode(struct {
			From string        `json:"from"`
			ID   bodkin.NodeID `json:"id"`
			Text string        `json:"text"`
		}{who.name, who.id, text})
		return
	}
	s.print(s.out, fmt.Sprintf("%s %s", styleOf(s.out).bold(printable(who.name)+":"), printable(text)))
}

// notice tells what happens in the chat.
func (s *screen) notice(format string, args ...any) {
	s.print(s.errs, styleOf(s.errs).faint("* "+fmt.Sprintf(format, args...)))
}

func (s *screen) print(to io.Writer, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal != nil {
		to = s.terminal // knows the line that is being typed
	}
	fmt.Fprintln(to, line)
}
