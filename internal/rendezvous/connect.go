package rendezvous

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// stagger is how long one address has before the next is tried beside it (RFC 8305, section 5: 250 ms).
	stagger = 250 * time.Millisecond
	// connectTimeout bounds the connection attempt to one address: TCP, TLS, and the answer to Register each.
	connectTimeout = 10 * time.Second
	// tryTimeout is how long TCP may take to open until it is tried again, at most: a kernel repeats a SYN after a second, and then after
	// ever longer pauses, in which a link that was cut comes back and nobody asks. The first try has tryFirst and some round trips, or a
	// second if none is known, and each that follows twice as long. That first second counts where the NAT has lost a mapping and gives
	// the same port again: the server's end of the old connection answers the new SYN, is reset for it, and the next opens.
	tryTimeout     = 3 * time.Second
	tryFirst       = 200 * time.Millisecond
	resolveTimeout = 5 * time.Second
	// addressesMax bounds how many addresses a name server can make a node dial.
	addressesMax = 16
)

// dial connects to a.
func (c *Client) dial(ctx context.Context, a address) (net.Conn, error) {
	if !a.addr.IsValid() {
		return c.config.DialProxied(ctx, a.server)
	}
	c.contact(a.addr.Addr())
	for try := c.firstTry(); ; try = min(2*try, tryTimeout) {
		trying, cancel := context.WithTimeout(ctx, try)
		conn, err := c.config.Dial(trying, a.addr)
		again := err != nil && trying.Err() != nil && ctx.Err() == nil
		cancel()
		if !again {
			return conn, err
		}
	}
}

// firstTry is how long the first SYN to the server has.
func (c *Client) firstTry() time.Duration {
	rtt := c.State().RTT
	if rtt == 0 {
		return time.Second
	}
	return min(tryFirst+4*rtt, tryTimeout)
}

// connect returns a registered main connection, with the first address of all servers that gives one.
func (c *Client) connect(ctx context.Context) (*mainConn, error) {
	addresses, failed := c.resolve(ctx)
	var named []netip.Addr
	for _, a := range addresses {
		named = append(named, a.addr.Addr())
	}
	for len(addresses) > 0 {
		began := time.Now()
		conn, at, errs := c.dialFirst(ctx, addresses)
		failed = append(failed, errs...)
		if conn == nil {
			break
		}
		s, err := c.open(ctx, conn, addresses[at])
		if err == nil {
			s.opened, s.named = began, named
			s.state.Since = began
			return s, nil
		}
		if refused := (*RefusedError)(nil); errors.As(err, &refused) {
			return nil, err
		}
		failed = append(failed, AddressError{addresses[at].server, addresses[at].addr, err})
		addresses = slices.DeleteFunc(addresses, func(a address) bool {
			return slices.ContainsFunc(failed, func(f AddressError) bool { return f.Server == a.server && f.Addr == a.addr })
		})
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, &UnreachableError{failed}
}

// dialFirst returns the first TCP connection that opens, and which address it is to. Each address has a head start before
// the next. Connections that open too late are closed before it returns.
func (c *Client) dialFirst(ctx context.Context, addresses []address) (conn net.Conn, at int, failed []AddressError) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+time.Duration(len(addresses))*stagger)
	defer cancel()
	type result struct {
		at   int
		conn net.Conn
		err  error
	}
	results := make(chan result)
	started, running := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for started < len(addresses) || running > 0 {
		var due <-chan time.Time
		if started < len(addresses) && conn == nil {
			due = next.C
		} else if running == 0 {
			break
		}
		select {
		case <-due:
			i := started
			started, running = started+1, running+1
			go func() { // received from below, in every case
				dialCtx, cancel := context.WithTimeout(ctx, connectTimeout)
				defer cancel()
				opened, err := c.dial(dialCtx, addresses[i])
				results <- result{i, opened, err}
			}()
			next.Reset(stagger)
		case r := <-results:
			running--
			switch {
			case r.err != nil && conn == nil:
				failed = append(failed, AddressError{addresses[r.at].server, addresses[r.at].addr, r.err})
				next.Reset(0)
			case r.err != nil:
			case conn == nil:
				conn, at = r.conn, r.at
				cancel()
			default:
				r.conn.Close()
			}
		}
	}
	return conn, at, failed
}

// open makes TLS and registers. It closes conn if it fails.
func (c *Client) open(ctx context.Context, conn net.Conn, at address) (s *mainConn, err error) {
	handshakeCtx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	secure := tls.Client(conn, c.config.TLS)
	if err := secure.HandshakeContext(handshakeCtx); err != nil {
		conn.Close()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { secure.Close() })
	defer stop()
	secure.SetDeadline(time.Now().Add(connectTimeout))
	s = &mainConn{client: c, proxied: !at.addr.IsValid(), conn: secure, reader: bufio.NewReaderSize(secure, 4<<10), dials: map[uint64]chan answer{}}
	welcome, err := s.register()
	if err != nil {
		secure.Close()
		return nil, err
	}
	secure.SetDeadline(time.Time{})
	s.welcome(welcome, at)
	return s, nil
}

// register says the first message and reads the answer.
func (s *mainConn) register() (*wire.Welcome, error) {
	s.told = s.client.config.Profile()
	first := s.told.message(s.proxied, natbehavior.Reports{}) // it may be another network than last time
	if err := wire.Write(s.conn, first); err != nil {
		return nil, err
	}
	for {
		var m wire.ServerMessage
		if err := wire.Read(s.reader, &m); err != nil {
			return nil, err
		}
		switch body := m.Body.(type) {
		case *wire.ServerMessage_Welcome:
			return body.Welcome, nil
		case *wire.ServerMessage_Refused:
			return nil, refused(body.Refused)
		}
	}
}

func refused(r *wire.Refused) *RefusedError {
	return &RefusedError{Code: RefusedCode(r.GetCode()), Text: r.GetText(), RetryAfter: time.Duration(r.GetRetryAfterMs()) * time.Millisecond}
}
