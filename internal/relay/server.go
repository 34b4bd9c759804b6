package relay

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Config is what a Server is made from. The zero Config works.
type Config struct {
	Limits Limits

	// Secret, which lasts as long as the server's name, is what the keys of kept tokens are derived from: so they are good after a restart. Nil: they end with
	// the process, as all others do.
	Secret []byte

	// Over is told, for each side of a joined pair, why the server ends it, before it does. It is not called when both nodes
	// have ended it in order. It must not block. Nil: nobody is told.
	Over func(Owner, wire.AttemptID, wire.RelayStatus)

	Log *slog.Logger // nil: silence
}

// A Server joins relayed connections. Its methods are safe for concurrent use.
type Server struct {
	limits  Limits
	over    func(Owner, wire.AttemptID, wire.RelayStatus)
	log     *slog.Logger
	started time.Time
	tokens  *tokens
	kept    *keptTokens
	work    sync.WaitGroup // of waiting connections' farewells and of pairs

	mu       sync.Mutex
	meetings map[wire.AttemptID]*meeting
	pairs    map[*pair]struct{}
	waiting  int
	nodes    *book
	rooms    *book
	closed   bool

	counts counts
}

// NewServer returns a Server that joins nobody before Serve.
func NewServer(config Config) *Server {
	s := &Server{
		limits:   config.Limits.withDefaults(),
		over:     config.Over,
		log:      config.Log,
		started:  time.Now(),
		tokens:   newTokens(),
		meetings: map[wire.AttemptID]*meeting{},
		pairs:    map[*pair]struct{}{},
	}
	s.kept = newKeptTokens(config.Secret, s.limits.KeptLife)
	s.nodes = newBook(s.limits.BytesPerNode, s.limits.BytesPerSecondPerNode)
	s.rooms = newBook(s.limits.BytesPerRoom, s.limits.BytesPerSecondPerRoom)
	if s.over == nil {
		s.over = func(Owner, wire.AttemptID, wire.RelayStatus) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Token returns the token with which the holder of k may come to the relay, within Limits.TokenLife.
func (s *Server) Token(k Ticket) []byte { return s.tokens.issue(k, s.now()+s.limits.TokenLife) }

// Keep returns a token for later: it is good within Limits.KeptLife, also at a Server with the same secret.
func (s *Server) Keep(k Ticket) []byte { return s.kept.issue(k, time.Now()) }

// Serve lets pairs run until ctx ends; it then tells them, closes all connections, waits for everything and returns. It
// is to be called once.
func (s *Server) Serve(ctx context.Context) {
	tidy := time.NewTicker(s.limits.TokenLife)
	defer tidy.Stop()
	period := time.NewTicker(s.limits.Period)
	defer period.Stop()
	for {
		select {
		case <-tidy.C:
			s.forgetMeetings()
		case <-period.C:
			s.beginPeriod()
		case <-ctx.Done():
			s.close()
			return
		}
	}
}

// Take takes over a connection that began with first. It returns when the connection has said who it is, or has not within
// Limits.HelloTimeout, or was refused; a connection that waits or is joined does not keep it.
func (s *Server) Take(conn net.Conn, first []byte) {
	s.counts.came.Add(1)
	conn.SetDeadline(time.Now().Add(s.limits.HelloTimeout))
	hello, err := readHello(conn, first)
	if err != nil {
		s.counts.refuse(wire.RelayStatus_RELAY_STATUS_UNSPECIFIED)
		reset(conn) // not one of ours
		return
	}
	conn.SetDeadline(time.Time{})
	c, expires, err := s.admit(hello)
	if err != nil {
		s.refuse(conn, wire.RelayStatus_RELAY_STATUS_TOKEN)
		return
	}
	c.conn = conn
	if status := s.meet(c, expires); status != wire.RelayStatus_RELAY_STATUS_READY {
		s.refuse(conn, status)
	}
}

// admit returns who comes with a token, and until when that is good.
func (s *Server) admit(hello wire.RelayHello) (c *side, expires time.Duration, err error) {
	now := s.now()
	if ticket, expires, err := s.tokens.open(hello); err == nil && now <= expires {
		return &side{Ticket: ticket}, expires, nil
	}
	ticket, left, err := s.kept.open(hello, time.Now())
	if err != nil {
		return nil, 0, err
	}
	if issued := now + left - s.limits.KeptLife; issued < 0 {
		ticket.Owner.Connection = 0 // of the process before: now the number is another's, if any's
	}
	return &side{Ticket: ticket, kept: true}, now + left, nil
}

// readHello reads not one byte more than the hello: what follows is the nodes' own.
func readHello(conn net.Conn, first []byte) (wire.RelayHello, error) {
	var b [wire.RelayHelloHead + wire.MaxTokenLen]byte
	n := copy(b[:], first)
	if _, err := io.ReadFull(conn, b[n:wire.RelayHelloHead]); err != nil {
		return wire.RelayHello{}, err
	}
	_, token, err := wire.ParseRelayHelloHead(b[:wire.RelayHelloHead])
	if err != nil {
		return wire.RelayHello{}, err
	}
	whole := b[:wire.RelayHelloHead+token]
	if _, err := io.ReadFull(conn, whole[wire.RelayHelloHead:]); err != nil {
		return wire.RelayHello{}, err
	}
	return wire.ParseRelayHello(whole)
}

// farewellTimeout is how long a refused connection may take to hear why.
const farewellTimeout = time.Second

// refuse tells a connection why it is not joined, and closes it. The node has sent more, which a mere close would answer with a
// reset, and that could overtake the reason.
func (s *Server) refuse(conn net.Conn, status wire.RelayStatus) {
	s.counts.refuse(status)
	s.log.Debug("relayed connection refused", "remote", conn.RemoteAddr(), "why", reason(status))
	conn.SetDeadline(time.Now().Add(farewellTimeout))
	if _, err := conn.Write([]byte{byte(status)}); err == nil {
		closeWrite(conn)
		io.CopyN(io.Discard, conn, 64<<10)
	}
	reset(conn)
}

func (s *Server) now() time.Duration { return time.Since(s.started) }
