package control

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// MaxStreams is how many streams Streams lists.
const MaxStreams = 1000

// A Ledger knows which streams are open through a node, those of its own services and those of commands. The zero Ledger is
// ready to use. Its methods are safe for concurrent use.
type Ledger struct {
	mu   sync.Mutex // guards the following
	open map[uint64]entry
	last uint64 // number given to a stream

	listening map[string]int // services of commands
}

type entry struct {
	stream   Stream
	accepted bool
	since    time.Time
}

// Streams is what goes through a node.
type Streams struct {
	Open int // all of them
	List []StreamStatus
}

// A StreamStatus is how a stream stands.
type StreamStatus struct {
	Number   uint64 // the node's own, in the order in which they were opened
	Peer     string // its name
	ID       bodkin.NodeID
	Service  string
	Accepted bool // this machine has the service; else it is the peer's
	Path     bodkin.Path
	In, Out  uint64 // bytes
	Since    time.Time
}

// Add enters a stream, which somebody at this node has accepted or dialled, until it is closed.
func (l *Ledger) Add(stream Stream, accepted bool) (number uint64, closed func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[uint64]entry{}
	}
	l.last++
	number = l.last
	l.open[number] = entry{stream, accepted, time.Now()}
	return number, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, number)
	}
}

// listen enters a service on which a command listens, until it does no more.
func (l *Ledger) listen(service string) (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listening == nil {
		l.listening = map[string]int{}
	}
	l.listening[service]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.listening[service]--; l.listening[service] == 0 {
			delete(l.listening, service)
		}
	}
}

// Listening lists the services on which commands listen, by name.
func (l *Ledger) Listening() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.listening))
}

// stream finds a stream by its number; nil if it is not open.
func (l *Ledger) stream(number uint64) Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[number].stream
}

// StatsOf is the figures of a stream; zero where they are not known, as those of a Client's.
func StatsOf(stream Stream) bodkin.ConnStats {
	if counted, ok := stream.(interface{ Stats() bodkin.ConnStats }); ok {
		return counted.Stats()
	}
	return bodkin.ConnStats{}
}

// Streams lists the streams that are open, oldest first, and of more than MaxStreams the newest.
func (l *Ledger) Streams() Streams {
	l.mu.Lock()
	numbers := slices.Sorted(maps.Keys(l.open))
	s := Streams{Open: len(numbers), List: []StreamStatus{}}
	numbers = numbers[max(0, len(numbers)-MaxStreams):]
	entries := make([]entry, len(numbers))
	for i, number := range numbers {
		entries[i] = l.open[number]
	}
	l.mu.Unlock() // what follows asks the sessions
	for i, e := range entries {
		status := StreamStatus{
			Number: numbers[i], Peer: e.stream.PeerName(), ID: e.stream.Peer(), Service: e.stream.Service(),
			Accepted: e.accepted, Path: e.stream.Path(), Since: e.since,
		}
		stats := StatsOf(e.stream)
		status.In, status.Out = stats.BytesIn, stats.BytesOut
		s.List = append(s.List, status)
	}
	return s
}
