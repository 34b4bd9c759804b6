package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A process is a role at work on a host.
type process struct {
	name   string
	cmd    *natlab.Cmd
	stdin  io.WriteCloser
	events chan notice // closed when the process has ended
	stderr bytes.Buffer
}

// startRole starts a role on a host. The caller must stop it.
func startRole(ctx context.Context, host *natlab.Host, name string, config any) (*process, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: name + " on " + host.Name(), events: make(chan notice, 64)}
	p.cmd = host.Command(ctx, program, roleCommand, name, string(text))
	p.cmd.Stderr = &p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	go p.read(stdout)
	return p, nil
}

// read passes events on until the process has ended. stop takes those that nobody else does.
func (p *process) read(stdout io.Reader) {
	defer close(p.events)
	for d := json.NewDecoder(stdout); ; {
		var e notice
		if d.Decode(&e) != nil {
			return
		}
		p.events <- e
	}
}

// order sends the role a request.
func (p *process) order(request any) error {
	return json.NewEncoder(p.stdin).Encode(request)
}

// await returns the next event of a kind, and puts its data into data unless that is nil. It fails when the role ends.
func (p *process) await(ctx context.Context, kind string, data any) (notice, error) {
	for {
		select {
		case e, ok := <-p.events:
			switch {
			case !ok:
				return notice{}, fmt.Errorf("%s ended: %s", p.name, p.stderr.Bytes())
			case e.Kind == evEnded:
				return notice{}, fmt.Errorf("%s: %s", p.name, e.Text)
			case e.Kind != kind:
				continue
			case data == nil:
				return e, nil
			}
			return e, json.Unmarshal(e.Data, data)
		case <-ctx.Done():
			return notice{}, fmt.Errorf("%s: waiting for %q: %w", p.name, kind, context.Cause(ctx))
		}
	}
}

// stop ends the role: kindly, and after a second by force. It may be called on nil.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.stdin.Close()
	kill := time.AfterFunc(time.Second, func() { p.cmd.Process.Kill() })
	for range p.events {
	}
	p.cmd.Wait() // how it ended tells nothing new
	kill.Stop()
}
