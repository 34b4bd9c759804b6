package server

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// handle does what m asks for. An error means that the connection has to end; the node was told why.
func (s *Server) handle(c *conn, m *wire.ClientMessage) error {
	if register, ok := m.Body.(*wire.ClientMessage_Register); ok {
		return s.register(c, register.Register)
	}
	if !c.registered {
		return c.refuse(wire.Refused_CODE_BAD_MESSAGE, "the first message must be Register", 0)
	}
	switch body := m.Body.(type) {
	case *wire.ClientMessage_Ping:
		if rtt := body.Ping.GetRttUs(); rtt > 0 { // else the handshake's is better
			c.rtt.Store(rtt)
		}
		c.send(*s.pong.Load())
	case *wire.ClientMessage_Dial:
		s.dial(c, body.Dial)
	case *wire.ClientMessage_Report:
		s.attempts.report(c, body.Report)
	case *wire.ClientMessage_Finished:
		s.attempts.finished(c, body.Finished)
	case *wire.ClientMessage_Mapped:
		s.mapped(c, body.Mapped)
	case *wire.ClientMessage_DialBack:
		s.dialBack(c, body.DialBack)
	case *wire.ClientMessage_Watch:
		c.watching.Store(body.Watch.GetOn())
		c.room.watch(c, body.Watch.GetOn())
		s.announcer.announce(c.room)
	}
	return nil // others come from a newer version
}

func (s *Server) register(c *conn, m *wire.Register) error {
	switch {
	case m.GetVersion() != wire.Version:
		count(s.metrics.registrations, "version")
		return c.refuse(wire.Refused_CODE_VERSION, "this server speaks version 1", 0)
	case s.roomServed != nil && !s.roomServed(c.room.id):
		count(s.metrics.registrations, "room")
		return c.refuse(wire.Refused_CODE_ROOM, "this server does not serve the room", 0)
	}
	displaced, refusal := c.room.register(c, m, s.limits.ConnectionsPerNode, s.isAlive)
	for _, d := range displaced {
		d.conn.refuse(d.code, displacedText[d.code], 0)
	}
	switch refusal {
	case wire.Refused_CODE_NAME_TAKEN:
		count(s.metrics.registrations, "name_taken")
		return c.refuse(refusal, "another node of the room has this name", 0)
	case wire.Refused_CODE_BUSY:
		count(s.metrics.registrations, "busy")
		return c.refuse(refusal, "too many connections of this node", time.Second)
	}
	if c.registered {
		count(s.metrics.registrations, "again")
	} else {
		c.registered = true
		s.sweeper.spare(c)
		count(s.metrics.registrations, kindOf(m))
		count(s.metrics.portReuse, portReuse(m.GetPortReuse()))
		s.welcome(c)
	}
	s.announcer.announce(c.room)
	return nil
}

var displacedText = map[wire.Refused_Code]string{
	wire.Refused_CODE_REPLACED:   "a newer connection of this node took over",
	wire.Refused_CODE_NAME_TAKEN: "this node was silent, and another took its name",
}

func (s *Server) welcome(c *conn) {
	c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_Welcome{Welcome: &wire.Welcome{
		Observed:          wire.NewEndpoint(c.remote),
		HolePorts:         s.holePorts,
		Holes:             s.holesElsewhere(c.local),
		ClosedPort:        uint32(s.closedPort),
		HoleToken:         s.tokens.issue(c.number),
		PingIntervalMs:    milliseconds(s.limits.PingInterval),
		ReconnectSpreadMs: milliseconds(s.reconnectSpread()),
	}}})
}

// holesElsewhere is the hole listeners on other addresses than local.
func (s *Server) holesElsewhere(local netip.Addr) []*wire.Endpoint {
	var holes []*wire.Endpoint
	for _, hole := range s.holeAddrs {
		if hole.Addr() != local {
			holes = append(holes, wire.NewEndpoint(hole))
		}
	}
	return holes
}

// reconnectSpread is over how long the nodes that are here would have to spread their return.
func (s *Server) reconnectSpread() time.Duration {
	return time.Duration(s.table.count()) * time.Second / time.Duration(s.limits.ReconnectsPerSecond)
}

// renewPong makes the frame that answers pings, which is the same for all nodes.
func (s *Server) renewPong() {
	pong := s.appendFrame(nil, &wire.ServerMessage{Body: &wire.ServerMessage_Pong{Pong: &wire.Pong{ReconnectSpreadMs: milliseconds(s.reconnectSpread())}}})
	s.pong.Store(&pong)
}

func kindOf(m *wire.Register) string {
	if m.Primary {
		return "primary"
	}
	return "transient"
}

func portReuse(p wire.PortReuse) string {
	switch p {
	case wire.PortReuse_PORT_REUSE_WORKS:
		return "works"
	case wire.PortReuse_PORT_REUSE_BROKEN:
		return "broken"
	}
	return "unknown"
}

// dial answers with an introduction to both sides, or with DialFailed to c.
func (s *Server) dial(c *conn, m *wire.Dial) {
	if wait, ok := s.dials.take(c, s.now()); !ok {
		count(s.metrics.dials, "limited")
		s.failDial(c, m, wire.DialFailed_CODE_LIMITED, wait)
		return
	}
	callee := c.room.find(c, m)
	if callee == nil {
		count(s.metrics.dials, "not_here")
		s.failDial(c, m, wire.DialFailed_CODE_NOT_HERE, 0)
		return
	}
	outcome := s.attempts.introduce(c, callee, m)
	count(s.metrics.dials, outcome)
	switch outcome {
	case "limited":
		s.failDial(c, m, wire.DialFailed_CODE_LIMITED, attemptTimeout)
	case "not_here":
		s.failDial(c, m, wire.DialFailed_CODE_NOT_HERE, 0)
	}
}

func (s *Server) failDial(c *conn, m *wire.Dial, code wire.DialFailed_Code, retryAfter time.Duration) {
	c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_DialFailed{DialFailed: &wire.DialFailed{
		Request: m.Request, Code: code, RetryAfterMs: milliseconds(retryAfter)}}})
}
