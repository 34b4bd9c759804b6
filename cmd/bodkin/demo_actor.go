package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// An actor is a bodkin process of the demo.
type actor struct {
	name   string // "ada: bodkin up"
	cmd    *exec.Cmd
	stdout *bufio.Reader
	heard  transcript    // its stderr
	ended  chan struct{} // closed when the process has ended; err is set then
	err    error
}

func (d *demo) start(ctx context.Context, who string, args ...string) (*actor, error) {
	return d.startWith(ctx, nil, who, args...)
}

// startWith starts a bodkin process of who, in who's own home, with a file as its stdin.
func (d *demo) startWith(ctx context.Context, stdin *os.File, who string, args ...string) (*actor, error) {
	a := &actor{name: who + ": bodkin " + args[0], ended: make(chan struct{})}
	a.heard.changed = make(chan struct{})
	a.cmd = exec.CommandContext(ctx, d.exe, append([]string{"--home", d.path(who)}, args...)...)
	a.cmd.Env = append(withoutSecrets(os.Environ()), "BODKIN_CONFIG=") // which is for this machine's node
	if args[0] == "join" {
		a.cmd.Env = append(a.cmd.Env, "BODKIN_INVITE="+d.invite) // others can read arguments
	}
	a.cmd.Cancel = func() error { return terminate(a.cmd.Process) }
	a.cmd.WaitDelay = endGrace
	a.cmd.Stderr = &a.heard
	if stdin != nil {
		a.cmd.Stdin = stdin
	}
	read, write, err := os.Pipe() // not StdoutPipe: Wait would close it before all is read
	if err != nil {
		return nil, err
	}
	a.cmd.Stdout, a.stdout = write, bufio.NewReader(read)
	err = d.stage.start(ctx, who, a.cmd)
	write.Close()
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("start %s: %w", a.name, err)
	}
	d.actors = append(d.actors, a)
	go func() {
		defer close(a.ended)
		a.err = a.cmd.Wait()
	}()
	return a, nil
}

// line decodes the next line of stdout.
func (a *actor) line(into any) error {
	text, err := a.stdout.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err == nil {
		return nil
	}
	if failed := a.wait(); failed != nil {
		return failed
	}
	return fmt.Errorf("%s: %w", a.name, err)
}

// wait waits for the end of the process.
func (a *actor) wait() error {
	<-a.ended
	if a.err == nil {
		return nil
	}
	return fail("", "%s failed (%v), saying:\n%s", a.name, a.err, a.heard.tail())
}

// says waits until the process has said something on stderr.
func (a *actor) says(text string) error {
	for {
		said, changed := a.heard.contains(text)
		if said {
			return nil
		}
		select {
		case <-changed:
		case <-a.ended:
			if said, _ := a.heard.contains(text); said {
				return nil
			}
			return errors.Join(fmt.Errorf("%s ended early", a.name), a.wait())
		}
	}
}

// kill kills the process, and waits until it is gone.
func (a *actor) kill() error {
	err := a.cmd.Process.Kill()
	<-a.ended
	return err
}

// A transcript is what a process has said on stderr.
type transcript struct {
	mu      sync.Mutex // guards the following
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each change
}

const maxTranscript = 64 << 10

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text.Len() < maxTranscript {
		t.text.Write(p)
	}
	close(t.changed)
	t.changed = make(chan struct{})
	return len(p), nil
}

func (t *transcript) contains(text string) (bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.text.Bytes(), []byte(text)), t.changed
}

// tail is the last few lines.
func (t *transcript) tail() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(t.text.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
