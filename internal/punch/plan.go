package punch

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Role is a node's part in an attempt. The numbers are those of [wire.Role].
type Role uint8

// The two roles.
const (
	Dialer Role = 1 // TLS client; nominates
	Callee Role = 2 // TLS server; waits for the nomination
)

// String is the role's name.
func (r Role) String() string {
	switch r {
	case Dialer:
		return "dialer"
	case Callee:
		return "callee"
	}
	return "no role"
}

// Limits of one attempt. They hold whatever the server sends: it is not trusted with this node's SYNs (DESIGN 6).
const (
	// MaxSYNs is the number of dials of an attempt to remotes that are known: six a round, and a second port. The kernel repeats each SYN about every second. Those of
	// a prediction or a search come on top: rounds.MaxPredicted or rounds.MaxSearched.
	MaxSYNs = (candidate.MaxRound + 1) * wire.MaxRounds
	// maxAccepted bounds the inbound connections that an attempt looks at. Its id travels in the clear, so whoever sits
	// on the path could open any number.
	maxAccepted = 16
)

const (
	// DefaultTimeout is an attempt's length if the plan names none: three rounds and a lost SYN in each.
	DefaultTimeout = 6 * time.Second
	// nominationGrace is by how much the callee outlasts its timeout, so that a nomination which was sent in the last
	// moment finds somebody: one retransmission timeout (RFC 6298 section 2: 1 s).
	nominationGrace = time.Second
	// lingerTime is what losers have to come to their end: longer than anything needs that is under way, shorter than
	// it takes the kernel to repeat a SYN to a side that has closed already.
	lingerTime = time.Second
	// verifyTimeout is what an open connection has to prove itself: two round trips, and one lost packet (1 s) on a bad
	// path. Longer would keep a stranger's address out of the next round.
	verifyTimeout = 3 * time.Second
	// relayTimeout is the same for a relayed connection, on which the peer may come later than this node.
	relayTimeout = 6 * time.Second
)

// Plan is one side of an attempt. Attempt, Role, Dial and Verify are required.
type Plan struct {
	Attempt wire.AttemptID
	Role    Role

	// Dial opens a TCP connection from the port whose mapping the peer was told. It ends when ctx ends; until then a
	// SYN without an answer must stay alive.
	Dial func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)

	// DialApart is Dial from a port of its own, which no other connection has. Nil: guesses open none from such ports.
	DialApart func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)

	// Pace waits until one more SYN of a prediction or a search may leave. Nil: at once.
	Pace func(ctx context.Context) error

	// Verify runs mutual TLS in the role over c and returns the protected connection if the peer is the expected one.
	// It ends when ctx ends or c is closed, and need not close c on failure. Several run at once.
	Verify func(ctx context.Context, c net.Conn) (net.Conn, error)

	// Accepted gives inbound connections that named this attempt (see [Acceptor.Expect]); their prefaces are read
	// already. Nil: none.
	Accepted <-chan net.Conn

	// Rounds gives further rounds. Closed: there will be no more, and Run fails as soon as nothing is left that could
	// still connect. Nil: no more rounds, and Run waits until its timeout.
	Rounds <-chan Round

	// Relay is the way when nothing direct opens in time. Nil: there is none.
	Relay *Relay

	// Report is told each hard failure of a dialled remote, once and at once, so that the server can start the next
	// round. It is called by Run's goroutine and must not block. Nil: nobody is told.
	Report func(Failure)

	// Background runs a task that outlasts a successful Run by up to a second, as [sync.WaitGroup.Go] does; cancelling
	// Run's context ends it at once. It lets sockets that lost come to their end without harm: a SYN of the peer that is
	// under way meets the socket it is for and not the listener, and a callee's connections wait for the dialer's reset.
	// Nil: Run closes them at once, and their addresses and ports may be of no use for the next minutes.
	Background func(task func())

	// Timeout is the length of the whole attempt. Zero: DefaultTimeout.
	Timeout time.Duration
}

// length is how long the attempt may take on this side.
func (p Plan) length() time.Duration {
	length := p.Timeout
	if length <= 0 {
		length = DefaultTimeout
	}
	if p.Role == Callee {
		length += nominationGrace
	}
	return length
}

// Round is one start of an attempt: both sides dial at the same time.
type Round struct {
	Number  int                   // 1..wire.MaxRounds; a round that is not newer than the last one is passed over
	Remotes []candidate.Candidate // all dialled at once, candidate.MaxRound at most, except those that are still alive
	Delay   time.Duration         // before the SYNs, counted from when Run gets the round

	Second Second
	Guess  Guess
}

// Second is one more remote, dialled from another port than all else: both sides have taken a new one, because an earlier connection holds
// the four-tuple of the usual ports, or nothing is heard on it.
type Second struct {
	Remote candidate.Candidate
	Dial   func(ctx context.Context, remote netip.AddrPort) (net.Conn, error) // nil: there is none
}

// Failure is a remote that could not be reached. The pair is free: the next round dials it again if it names it.
type Failure struct {
	Round  int // in which the remote was dialled
	Remote netip.AddrPort
	Kind   wire.FailureKind
}

// Result is the connection that both sides keep.
type Result struct {
	// Conn is what Verify returned. Its next byte is the first one after the nomination; no deadline is set. The caller
	// closes it: the dialer with reuseport.Abort, the callee in order (docs/decisions/0054).
	Conn net.Conn
	// Socket is the TCP connection under Conn, for socket options.
	Socket net.Conn

	Remote   candidate.Candidate // only Addr is set if it was accepted from an address that was no candidate
	Accepted bool                // came in through the listener
	Round    int                 // in which it was dialled; the newest round if it was accepted
	Rounds   int                 // the newest round
	SYNs     int                 // dials that left, over all remotes and rounds
	Tries    []Try               // all, in the order they were started, with the winner among them

	Started   time.Time // Run began
	FirstSYN  time.Time // zero if nothing was dialled
	Connected time.Time // the winner's TCP connection was open
	Verified  time.Time // the peer was proven on it
	Nominated time.Time // the dialer had written the nomination, the callee had read it
}
