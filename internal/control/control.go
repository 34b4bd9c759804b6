// Package control lets the commands of one machine share the node that is already running there.
//
// The running node (bodkin up) serves a Unix socket in its home directory that only the owner can open. It speaks
// HTTP/1.1:
//
//	GET  /v1/info                         who runs: Info
//	GET  /v1/status                       bodkin.Status
//	GET  /v1/diagnosis                    bodkin.Diagnosis, once everything is measured
//	GET  /v1/peers                        [bodkin.Peer]
//	GET  /v1/watch                        one update a line, until one with a problem
//	POST /v1/ping?peer=P                  bodkin.Ping
//	GET  /v1/service                      Service
//	GET  /v1/streams                      Streams
//	POST /v1/reload                       Reloaded
//	POST /v1/dial?peer=P&service=S        101, then a stream
//	POST /v1/listen?service=S             101 with the listener's number; the service is free again when this connection ends
//	POST /v1/accept?listener=N            waits for a stream; 101, then the stream
//	GET  /v1/path?stream=N                bodkin.Path that a stream takes now; N is in the header Bodkin-Stream of its 101
//
// Bodies are JSON. An error is an HTTP status of 4xx or 5xx and a problem, which names the errors of package bodkin that
// callers tell apart, so that errors.Is gives the same answer on both sides of the socket.
//
// After a 101 the connection carries records in both directions: four bytes, of which the first is the kind and the
// others the length, big-endian, and as many bytes. A record of data is bytes of the stream; an end is the end of its
// direction; a cut says why the stream broke. A connection that closes without an end was cut too: so a program that
// was killed in the middle of a file is not taken for one that had sent all of it.
package control

import (
	"context"
	"iter"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// A Node is what commands need of a node, whether it runs in this process ([Own]) or another ([Client]).
type Node interface {
	// ID and Name tell who this node is.
	ID() bodkin.NodeID
	Name() string
	// Status, Diagnose, Peers, Watch and Ping are those of bodkin.Node.
	Status(ctx context.Context) (bodkin.Status, error)
	Diagnose(ctx context.Context) (bodkin.Diagnosis, error)
	Peers(ctx context.Context) ([]bodkin.Peer, error)
	Watch(ctx context.Context) iter.Seq2[bodkin.Event, error]
	Ping(ctx context.Context, peer string) (bodkin.Ping, error)
	// Dial opens a stream to a service of a peer. The caller closes it.
	Dial(ctx context.Context, peer, service string) (Stream, error)
	// Listen takes a service name until the Listener is closed.
	Listen(ctx context.Context, service string) (Listener, error)
	// Close ends the node, or the use of it.
	Close() error
}

// A Stream is one connection to a service, as bodkin.Conn is.
type Stream interface {
	net.Conn
	CloseWrite() error
	Abort() error
	// Refuse closes an accepted stream, and gives the dialer reason as the error of its Read.
	Refuse(reason string) error
	Peer() bodkin.NodeID
	PeerName() string
	Service() string
	Path() bodkin.Path
}

// A Listener hands out the streams that peers open to one service.
type Listener interface {
	// Accept waits for a stream. After Close its error satisfies errors.Is(err, net.ErrClosed).
	Accept() (Stream, error)
	Close() error
}

// Own makes a Node of one that runs in this process. Its Close closes n.
func Own(n *bodkin.Node) Node { return own{n} }

type own struct{ *bodkin.Node }

func (o own) Status(context.Context) (bodkin.Status, error) { return o.Node.Status(), nil }

func (o own) Dial(ctx context.Context, peer, service string) (Stream, error) {
	conn, err := o.Node.Dial(ctx, peer, service)
	if err != nil {
		return nil, err // not conn: a nil *Conn in a Stream is not nil
	}
	return conn, nil
}

func (o own) Listen(_ context.Context, service string) (Listener, error) {
	l, err := o.Node.Listen(service)
	if err != nil {
		return nil, err
	}
	return ownListener{l}, nil
}

type ownListener struct{ *bodkin.Listener }

func (l ownListener) Accept() (Stream, error) {
	conn, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Info tells who serves a control socket.
type Info struct {
	PID  int
	ID   bodkin.NodeID
	Name string
	Port uint16 // the local TCP port of the node
}

// Reloaded tells what came of reading the settings again, in words.
type Reloaded struct {
	Changes   []string `json:"changes"`
	AtRestart []string `json:"at_restart"` // keys of which the node takes up the change at its next start
}

// Service is what a node that runs as a service does, beside being a node.
type Service struct {
	Started   time.Time
	Settings  string    // path of its settings file; empty if there is none
	Offers    []Offer   // by name
	Forwards  []Forward // in the order in which they were asked for
	Transfers []Transfer
	Problems  []Problem // the last few, oldest first
}

// An Offer is a service of the node.
type Offer struct {
	Name  string
	What  string   // for people: where its connections go
	Allow []string // names and ids of peers; empty: the whole room
	Open  int64    // connections now
	Total int64    // connections since the node was started
}

// A Forward is a local port of the node.
type Forward struct {
	Listen        string
	Peer, Service string
	Open, Total   int64
}

// A Transfer is files that the node is taking.
type Transfer struct {
	Peer      string
	Bytes, Of int64
	Files     int // that are complete
}

// A Problem is a warning of the node's log.
type Problem struct {
	At   time.Time
	Text string
}
