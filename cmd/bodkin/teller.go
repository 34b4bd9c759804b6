package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// A teller says what a node does: to people, or, where the log is JSON, as lines of that.
type teller struct {
	out   io.Writer
	style style
	json  *slog.Logger // nil: to people
	event func(bodkin.Event) error
}

func newTeller(out io.Writer, format formatFlag) *teller {
	t := &teller{out: out, style: styleOf(out), event: eventPrinter(out, false)}
	if format == formatJSON {
		t.json = slog.New(handlerOf(formatJSON, out, slog.LevelInfo))
		t.event = t.jsonEvent
	}
	return t
}

func (t *teller) jsonEvent(e bodkin.Event) error {
	if e.Peer.ID.IsZero() {
		t.json.Info(e.Kind.String())
		return nil
	}
	attrs := []any{"peer", e.Peer.Name, "id", e.Peer.ID}
	if e.Peer.Path != nil {
		attrs = append(attrs, "path", pathWord(*e.Peer.Path), "remote", e.Peer.Path.Remote)
	}
	t.json.Info(e.Kind.String(), attrs...)
	return nil
}

// line says one thing.
func (t *teller) line(what, text string) {
	if t.json != nil {
		t.json.Info(what, "is", text)
		return
	}
	fmt.Fprintf(t.out, "%s: %s\n", what, printable(text))
}

// delivered says what has been sent to this node.
func (t *teller) delivered(d delivered) {
	r := d.meter
	if t.json != nil {
		t.json.Info("received", "peer", d.peer, "id", d.id, "files", r.Files, "bytes", r.Bytes, "paths", d.paths)
		return
	}
	fmt.Fprintf(t.out, "%s received %s (%s) from %s\n", t.style.faint(time.Now().Format(time.TimeOnly)), names(r.Offer.Names), amount(r.Files, r.Bytes),
		t.style.bold(printable(d.peer)))
}

// deliveredJSON tells programs of it, in a line among those of peers.
func deliveredJSON(out io.Writer) func(delivered) {
	return func(d delivered) {
		json.NewEncoder(out).Encode(struct {
			Event string        `json:"event"`
			Name  string        `json:"name"`
			ID    bodkin.NodeID `json:"id"`
			Files int           `json:"files"`
			Bytes int64         `json:"bytes"`
			Paths []string      `json:"paths"`
		}{"received", d.peer, d.id, d.meter.Files, d.meter.Bytes, d.paths})
	}
}

// status says where the node stands.
func (t *teller) status(node *bodkin.Node) {
	s := node.Status()
	const noReuse = "sockets cannot share a local port on this system: no direct path through a NAT will open"
	if t.json != nil {
		t.json.Info("up", "name", node.Name(), "id", node.ID(), "port", node.Port(), "server", s.Server, "reflexive", s.Reflexive)
		if !s.PortReuse {
			t.json.Warn(noReuse)
		}
		return
	}
	fmt.Fprintf(t.out, "%s is up: node %s, port %d\n", t.style.bold(printable(node.Name())), node.ID().Short(), node.Port())
	fmt.Fprintf(t.out, "server %s sees it at %s\n", printable(s.Server), s.Reflexive)
	if !s.PortReuse {
		fmt.Fprintf(t.out, "%s %s\n", t.style.bad("warning:"), noReuse)
	}
}

// mapping says what came of the port mapping, once that is known.
func (t *teller) mapping(ctx context.Context, node *bodkin.Node) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		m := node.Status().PortMapping
		switch {
		case m.Proven:
			t.line("port mapping", fmt.Sprintf("the router forwards %s by %s, so peers behind any NAT can connect", m.External, m.Protocol))
			return
		case m.Problem != "":
			t.line("port mapping", "none, "+m.Problem)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
