package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// A cell is one contestant over so many streams.
type cell struct {
	contestant string
	streams    int
	program    string // of the version that plays it; empty: this one
}

func (c cell) String() string {
	if c.program != "" {
		return fmt.Sprintf("%s of %s, %d", c.contestant, filepath.Base(c.program), c.streams)
	}
	return fmt.Sprintf("%s, %d", c.contestant, c.streams)
}

// A result is what one turn gave.
type result struct {
	speed   float64       // MiB/s
	cpu     float64       // seconds per GiB, both processes
	sending float64       // of them, the sender's
	shares  float64       // the most of one stream over the least
	small   time.Duration // round trip of a small message beside them, the median; zero if none was sent
}

// A command is a process to start somewhere.
type command interface {
	Start() error
	Wait() error
}

// A path is two places, and what is between them.
type path struct {
	near, far func(ctx context.Context, to io.Writer, args ...string) command
	address   string // of far
	close     func()
}

// patience bounds what a turn may take beside what is measured.
const patience = 30 * time.Second

// run has both roles played.
func (c cell) run(ctx context.Context, p *path, o options) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, o.time+patience)
	defer cancel()
	part := part{Contestant: c.contestant, Streams: c.streams, Small: o.small && c.contestant == "bodkin", Time: o.time, Address: p.address}
	if c.program == "" {
		part.Profile = o.profile
	}
	program, err := c.path()
	if err != nil {
		return result{}, err
	}
	to, err := start(ctx, p.far, program, "receive", part)
	if err != nil {
		return result{}, err
	}
	defer to.end()
	if err := to.hear(&part.Target); err != nil {
		return result{}, err
	}
	from, err := start(ctx, p.near, program, "send", part)
	if err != nil {
		return result{}, err
	}
	defer from.end()
	var sent, got account
	if err := to.hear(&got); err != nil {
		return result{}, err
	}
	if err := from.hear(&sent); err != nil {
		return result{}, err
	}
	return judge(sent, got), nil
}

// path is where the program is that plays the cell.
func (c cell) path() (string, error) {
	if c.program == "" {
		return os.Executable()
	}
	return filepath.Abs(c.program)
}

// judge puts both sides' accounts together.
func judge(sent, got account) result {
	total := int64(0)
	for _, n := range got.Bytes {
		total += n
	}
	gib := float64(total) / (1 << 30)
	sending := sent.CPU.Seconds() / sent.Time.Seconds() * got.Time.Seconds() / gib
	return result{
		speed:   gib * 1024 / got.Time.Seconds(),
		cpu:     sending + got.CPU.Seconds()/gib,
		sending: sending,
		shares:  float64(slices.Max(got.Bytes)) / float64(max(1, slices.Min(got.Bytes))),
		small:   sent.Small,
	}
}

// A player is a role at work.
type player struct {
	command command
	said    *json.Decoder
	out     *io.PipeWriter
	cancel  func()
}

func start(ctx context.Context, at func(context.Context, io.Writer, ...string) command, program, role string, p part) (*player, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	pl := &player{command: at(ctx, w, program, roleCommand, role, string(text)), said: json.NewDecoder(r), out: w, cancel: cancel}
	if err := pl.command.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() { w.CloseWithError(ended(pl.command.Wait())) }()
	return pl, nil
}

// ended is why a role says nothing more.
func ended(err error) error {
	if err == nil {
		return io.EOF
	}
	return fmt.Errorf("a role: %w", err)
}

func (p *player) hear(v any) error { return p.said.Decode(v) }

// end ends the role.
func (p *player) end() {
	p.cancel()
	var nothing json.RawMessage
	for p.said.Decode(&nothing) == nil {
	}
}

// prepared is a process whose output goes to a writer.
func prepared(c *exec.Cmd, to io.Writer) *exec.Cmd {
	c.Stdout, c.Stderr = to, os.Stderr
	return c
}
