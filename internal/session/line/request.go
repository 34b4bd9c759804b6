package line

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// A Request is what the side that speaks first wants with a connection.
type Request struct {
	// ID names the line.
	ID ID
	// New tells that there need not be such a line yet.
	New bool
	// Beside tells that the carrier is to be used in addition to those that the line has.
	Beside bool
	// Aside tells that it is to be measured, and not used while there is another.
	Aside bool

	conn net.Conn
	said hello
}

// Receive reads what the side that speaks first wants with a connection. The caller answers with Line.Take, after it has found the line
// with that ID among those that it has with this peer, or has made it with Begin; or else with Refuse. If Receive fails, it
// has closed the connection.
func Receive(ctx context.Context, conn net.Conn) (*Request, error) {
	c := &carrier{Carrier: Carrier{Conn: conn}}
	var said hello
	err := c.within(ctx, func() (err error) {
		said, err = readHello(conn)
		return err
	})
	if err == nil && !said.common() {
		c.say(ctx, hello{oldest: oldestVersion, newest: newestVersion, intent: intentVersion, id: said.id})
		err = fmt.Errorf("%w: the peer's are %d to %d", ErrVersion, said.oldest, said.newest)
	}
	if err == nil && said.intent != intentBegin && said.intent != intentResume {
		err = fmt.Errorf("%w: first hello with intent %d", ErrProtocol, said.intent)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Request{ID: said.id, New: said.intent == intentBegin, Beside: said.beside, Aside: said.aside, conn: conn, said: said}, nil
}

// Begin makes the other end of a new line, which is suspended until Take. The caller must close it.
func (r *Request) Begin(config Config) (*Line, error) {
	if !r.New {
		return nil, errors.New("line: the request is for a line that is there")
	}
	return newLine(r.ID, config), nil
}

// Refuse tells the peer that there is no such line. The connection stays open: the peer may ask for another.
func (r *Request) Refuse(ctx context.Context) error {
	c := &carrier{Carrier: Carrier{Conn: r.conn}}
	return c.say(ctx, hello{oldest: oldestVersion, newest: newestVersion, intent: intentUnknown, id: r.ID})
}

// Take gives the line the carrier of a request. The carrier belongs to the line, also if Take fails. It fails with ErrFull if the
// carrier was to be used beside others, and the line uses no more than it has.
func (l *Line) Take(ctx context.Context, r *Request, given Carrier) error {
	given.Conn, given.Rank, given.Beside, given.Aside = r.conn, r.said.rank, r.said.beside, r.said.aside
	c := l.newCarrier(given, r.said.carrier)
	l.mu.Lock()
	if err := l.err; err != nil {
		l.mu.Unlock()
		r.Refuse(ctx)
		given.Conn.Close()
		return err
	}
	h := l.hello(intentWelcome, c)
	full := l.full(given)
	if full {
		h.intent = intentFull
	}
	l.mu.Unlock()
	err := c.say(ctx, h)
	if err == nil && full {
		err = ErrFull
	}
	if err != nil {
		given.Conn.Close()
		return err
	}
	return l.join(c, &r.said, func() error { return nil })
}
