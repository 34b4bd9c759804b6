package server

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// tokens tell on a hole connection which main connection it belongs to: the number of that connection and a MAC over it, so
// that nothing has to be kept. They travel in the clear, prove nothing else, and end with the main connection.
type tokens struct{ key [32]byte }

const (
	tokenMACLen = 16
	maxHello    = wire.MaxTokenLen + wire.AttemptIDLen + 16 // of a HoleHello with its length
)

func newTokens() *tokens {
	t := &tokens{}
	rand.Read(t.key[:]) // never fails
	return t
}

func (t *tokens) issue(number uint64) []byte {
	token := binary.BigEndian.AppendUint64(nil, number)
	return append(token, t.mac(token)...)
}

// check returns the number of the connection that token was issued for.
func (t *tokens) check(token []byte) (number uint64, ok bool) {
	if len(token) != 8+tokenMACLen || !hmac.Equal(token[8:], t.mac(token[:8])) {
		return 0, false
	}
	return binary.BigEndian.Uint64(token), true
}

func (t *tokens) mac(number []byte) []byte {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write(number)
	return mac.Sum(nil)[:tokenMACLen]
}

// serveHole answers one hole connection: one message in, one out. It then waits for the node to close, for at most HoleTimeout in
// all, since the side that closes first keeps the connection's addresses busy, and a FIN may close the NAT's mapping.
//
// A node may want it held open: it then goes to the loop.
func (s *Server) serveHole(ctx context.Context, nc net.Conn) {
	defer s.holes.leave(addrPort(nc.RemoteAddr()).Addr())
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	nc.SetDeadline(time.Now().Add(s.limits.HoleTimeout))
	outcome, held := s.answerHole(nc)
	count(s.metrics.holes, outcome)
	if held != nil && stop() && s.holds.take(held, nc) {
		return
	}
	defer nc.Close()
	if held != nil {
		return // there is no room for it
	}
	if outcome == "observed" {
		io.CopyN(io.Discard, nc, 1) // the node sends nothing more; any byte ends it as well as the end does
	}
}

func (s *Server) answerHole(nc net.Conn) (outcome string, toHold *held) {
	var hello wire.HoleHello
	// The buffer bounds what is read: a hello is below 100 bytes.
	if err := wire.Read(bufio.NewReaderSize(io.LimitReader(nc, maxHello), maxHello), &hello); err != nil {
		return "failed", nil
	}
	number, ok := s.tokens.check(hello.Token)
	if !ok {
		return "forged", nil
	}
	c := s.table.find(number)
	addr, local := addrPort(nc.RemoteAddr()), addrPort(nc.LocalAddr())
	if c == nil || !addr.IsValid() {
		return "failed", nil
	}
	seen := &wire.Observed{Endpoint: wire.NewEndpoint(addr), ServerPort: uint32(local.Port())}
	if hello.Sample {
		s.attempts.sampled(c, hello.Attempt, addr)
	} else {
		c.room.observe(c, addr, local.Addr())
		c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_Observed{Observed: seen}})
	}
	if err := wire.Write(nc, seen); err != nil {
		return "failed", nil
	}
	if hello.HoldS > 0 {
		toHold = &held{owner: c, remote: addr.Addr(), again: seen, silent: time.Duration(hello.HoldS) * time.Second}
	}
	return "observed", toHold
}

// addrPort is addr without an IPv4 address's IPv6 form, the zero AddrPort if it is no TCP address.
func addrPort(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	a := tcp.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
