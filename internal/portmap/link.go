package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// controlPort is the port of PCP and NAT-PMP servers (RFC 6887, section 19.1).
const controlPort = 5351

// waits is how long an answer to each of the packets sent is waited for. RFC 6886, section 3.1, goes on doubling to 64 s;
// a gateway on the same link that has not answered by now does not.
func waits() []time.Duration {
	return []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second}
}

// maxPacket is the longest packet of PCP (RFC 6887, section 7), and longer than any of NAT-PMP.
const maxPacket = 1100

// A link leads to the gateway.
type link struct {
	gateway netip.Addr
	within  netspace.Space
}

// exchange sends a request to the gateway's control port, up to three times, until an answer comes that take accepts. What take
// answers with errMalformed is passed over, as if it had not come: anybody could have sent it.
func (l link) exchange(ctx context.Context, request func(local netip.Addr) []byte, take func([]byte) error) error {
	conn, err := l.dialUDP(netip.AddrPortFrom(l.gateway, controlPort))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	packet := request(localAddr(conn))
	buffer := make([]byte, maxPacket+1)
	for _, wait := range waits() {
		if _, err := conn.Write(packet); err != nil {
			return answerless(ctx, err)
		}
		if err := receive(ctx, conn, buffer, wait, take); !errors.Is(err, errSilent) {
			return err
		}
	}
	return errSilent
}

// receive waits for an answer that take accepts.
func receive(ctx context.Context, conn *net.UDPConn, buffer []byte, wait time.Duration, take func([]byte) error) error {
	conn.SetReadDeadline(time.Now().Add(wait))
	if ctx.Err() != nil { // its deadline may just have been overwritten
		return ctx.Err()
	}
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return answerless(ctx, err)
		}
		if err := take(buffer[:n]); !errors.Is(err, errMalformed) {
			return err
		}
	}
}

// answerless tells why there is no answer. A refusal by ICMP ends the waiting: nobody listens there.
func answerless(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSilent
	}
	return ErrNotOffered
}

// dialUDP returns a socket that only receives from remote.
func (l link) dialUDP(remote netip.AddrPort) (conn *net.UDPConn, err error) {
	err = l.within.Do(func() error {
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
		return err
	})
	return conn, err
}

// localAddr is the address of this machine that the gateway sees.
func localAddr(conn net.Conn) netip.Addr {
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
