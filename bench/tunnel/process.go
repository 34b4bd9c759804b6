package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// patience is how long anything may take to be ready.
const patience = 30 * time.Second

// A place is where programs run. What it prepares is started by start alone.
type place func(ctx context.Context, name string, args ...string) prepared

type prepared struct {
	*exec.Cmd
	start func() error
}

// onHost is a host of natlab.
func onHost(h *natlab.Host) place {
	return func(ctx context.Context, name string, args ...string) prepared {
		c := h.Command(ctx, name, args...)
		return prepared{c.Cmd, c.Start}
	}
}

// A process is a program at work.
type process struct {
	name  string
	cmd   *exec.Cmd
	lines chan string   // it has printed, until nobody reads
	ended chan struct{} // closed at its end
}

// start starts a program. The caller must stop it.
func (p *programs) start(ctx context.Context, at place, name string, args ...string) (*process, error) {
	c := at(ctx, name, args...)
	c.Env = append(os.Environ(), "BODKIN_NO_PORT_MAPPING=1", "SSL_CERT_FILE="+p.path("headscale.crt")) // others ask for no certificate
	c.Dir = p.dir
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.Stdout, c.Stderr = w, w
	err = c.start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	pr := &process{name: filepath.Base(name) + " " + strings.Join(args, " "), cmd: c.Cmd, lines: make(chan string, 1000), ended: make(chan struct{})}
	go pr.read(r, p.verbose)
	go func() {
		defer close(pr.ended)
		c.Wait() // how it ended tells nothing new
	}()
	return pr, nil
}

// read passes on what a process says until it has ended.
func (p *process) read(r io.ReadCloser, verbose bool) {
	defer close(p.lines)
	defer r.Close()
	for text := bufio.NewScanner(r); text.Scan(); {
		if verbose {
			fmt.Fprintf(os.Stderr, "%s %.40s: %s\n", time.Now().Format("05.000"), p.name, text.Text())
		}
		select {
		case p.lines <- text.Text():
		default: // nobody wants so many
		}
	}
}

// await waits for a line with one of some texts in it.
func (p *process) await(ctx context.Context, most time.Duration, texts ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var said []string
	for {
		select {
		case line, ok := <-p.lines:
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(line, text) }) {
				return line, nil
			}
			if said = append(said, line); !ok {
				return "", fmt.Errorf("%s ended, and said %q", p.name, said)
			}
		case <-ctx.Done():
			return "", fmt.Errorf("%s said nothing like %q, but %q: %w", p.name, texts, said, context.Cause(ctx))
		}
	}
}

// run runs a program to its end, and returns what it said.
func (p *programs) run(ctx context.Context, at place, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pr, err := p.start(ctx, at, name, args...)
	if err != nil {
		return "", err
	}
	var said []string
	for line := range pr.lines {
		said = append(said, line)
	}
	<-pr.ended
	if !pr.cmd.ProcessState.Success() {
		return "", fmt.Errorf("%s: %q", pr.name, said)
	}
	return strings.Join(said, "\n"), nil
}

// stop ends a process: kindly, and after two seconds by force. It may be called on nil, and twice.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(2*time.Second, func() { p.cmd.Process.Kill() })
	<-p.ended
	kill.Stop()
}

// kill gives a process no chance to say goodbye.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}
