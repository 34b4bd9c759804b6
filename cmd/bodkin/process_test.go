package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"sync"
	"time"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// A process runs in the background of a test.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output output
	ended  chan struct{} // closed at its end
}

// newProcess starts cmd by start. The caller must end it.
func newProcess(cmd *exec.Cmd, start func() error) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	p.output.changed = make(chan struct{})
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait()
	}()
	return p, nil
}

// end kills the process if it still runs, and returns all it has printed.
func (p *process) end() string {
	p.cmd.Process.Kill()
	<-p.ended
	text, _ := p.output.now()
	return text
}

// await waits until the process has printed something that matches.
func (p *process) await(pattern string) error {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		text, changed := p.output.now()
		if re.MatchString(text) {
			return nil
		}
		select {
		case <-changed:
		case <-p.ended:
			if text, _ := p.output.now(); !re.MatchString(text) {
				return fmt.Errorf("the process ended without printing %q, but\n%s", pattern, text)
			}
			return nil
		case <-deadline.C:
			return fmt.Errorf("nothing like %q after %v, but\n%s", pattern, patience, text)
		}
	}
}

// output is what a process has printed.
type output struct {
	mu      sync.Mutex // guards the following
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each change
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}
