package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"sync"
)

// roleCommand is the first argument of a process that plays a role on a host. The second names the role, the third is its
// configuration in JSON.
const roleCommand = "role"

// A notice is one line that a role prints for the program that started it.
type notice struct {
	Kind string          `json:"kind"`
	At   int64           `json:"at"` // nanoseconds on the clock that all processes of a machine share
	Text string          `json:"text,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

// Kinds of notice.
const (
	evReady   = "ready"   // the role can be used; Data says how
	evDialing = "dialing" // the clock starts
	evRelayed = "relayed" // there is a connection through the relay
	evPunch   = "punch"   // a hole punch starts
	evMissed  = "missed"  // one try failed; Text says why
	evDirect  = "direct"  // there is a direct connection: the clock stops
	evEnded   = "ended"   // there will be none; Text says why
	evMoved   = "moved"   // a transfer is over; Data says how it went
)

// A role is one program on one host. It ends when ctx does.
type role func(ctx context.Context, config json.RawMessage, io *roleIO) error

// roleNamed returns nil if there is no such role.
func roleNamed(name string) role {
	switch name {
	case "bodkin-server":
		return bodkinServer
	case "bodkin-node":
		return bodkinNode
	case "libp2p-public":
		return libp2pPublic
	case "libp2p-node":
		return libp2pNode
	case "receiver":
		return receiver
	case "sender":
		return sender
	}
	return nil
}

// roleIO is how a role talks to the program that started it.
type roleIO struct {
	orders chan json.RawMessage // what is asked of the role; closed when it shall end

	mu  sync.Mutex
	out *json.Encoder
}

// emit prints an event. data may be nil.
func (r *roleIO) emit(kind, text string, data any) {
	e := notice{Kind: kind, At: monotonic(), Text: text}
	if data != nil {
		e.Data, _ = json.Marshal(data) // plain structs, which cannot fail
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Encode(e) // an error means that nobody listens any more
}

// runRole plays a role until standard input ends.
func runRole(args []string) (code int) {
	if len(args) != 2 || roleNamed(args[0]) == nil {
		fmt.Fprintln(os.Stderr, "peers: roles are for the program itself")
		return 2
	}
	signal.Ignore(os.Interrupt) // Ctrl-C is for the program that started this one
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &roleIO{orders: make(chan json.RawMessage), out: json.NewEncoder(os.Stdout)}
	go func() {
		defer cancel()
		defer close(r.orders)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			order := json.RawMessage(append([]byte(nil), lines.Bytes()...))
			select {
			case r.orders <- order:
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := roleNamed(args[0])(ctx, json.RawMessage(args[1]), r); err != nil && ctx.Err() == nil {
		r.emit(evEnded, err.Error(), nil)
		return 1
	}
	return 0
}
