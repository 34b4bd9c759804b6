package natlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A scene is a NAT under test with two hosts inside, and two servers that accept connections on the
// ports 4000 and 4001.
type scene struct {
	t    *testing.T
	of   Kernel
	lab  *Lab
	nat  *NAT
	a, b *Host
	s, r *Host
}

func newScene(t *testing.T, makeNAT func(*Lab) *NAT) *scene {
	t.Helper()
	lab := logged(t, Test(t, Config{}))
	x := &scene{t: t, lab: lab, nat: makeNAT(lab)}
	x.a, x.b = x.nat.Host("a"), x.nat.Host("b")
	x.s, x.r = lab.Host("s"), lab.Host("r")
	for _, h := range []*Host{x.s, x.r} {
		for _, port := range []uint16{4000, 4001} {
			l := x.listen(h, port)
			go echo(l)
		}
	}
	return x
}

// logged makes a failed test show every packet.
func logged(t *testing.T, lab *Lab) *Lab {
	t.Helper()
	var log bytes.Buffer
	stop := lab.Log(&log)
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log("\n" + log.String())
		}
	})
	return lab
}

func (x *scene) listen(h *Host, port uint16) (l net.Listener) {
	x.t.Helper()
	err := h.Do(func() (err error) {
		c := net.ListenConfig{Control: shared}
		l, err = c.Listen(x.t.Context(), "tcp4", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { l.Close() })
	return l
}

// patience is how long a dial may take before it counts as silence. It ends before the first SYN is
// sent again, after 1 s.
const patience = 800 * time.Millisecond

// answerTime is how long a connection may take to carry a byte before it counts as cut off.
const answerTime = 2 * time.Second

// dial tells in a word how an attempt to connect ends.
func (x *scene) dial(h *Host, port uint16, to netip.AddrPort) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	c, err := dialFrom(ctx, h, port, to)
	if err == nil {
		x.t.Cleanup(func() { c.(*net.TCPConn).SetLinger(0); c.Close() })
		return "connected"
	}
	return outcomeOf(err)
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, unix.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, unix.ECONNRESET):
		return "reset"
	}
	return err.Error()
}

// external is the endpoint from which the internet saw the last SYN to an endpoint.
func (x *scene) external(to netip.AddrPort) netip.AddrPort {
	x.t.Helper()
	var last Flow
	for _, f := range x.lab.Flows() {
		if f.Network == internet && f.Dst == to && f.SYNs > 0 && !f.Last.Before(last.Last) {
			last = f
		}
	}
	return last.Src
}

func (x *scene) endpoint(h *Host, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr(), port)
}

// unanswered makes host a send a SYN from port 40000 that nobody hears, and close the socket.
func (x *scene) unanswered() string {
	x.lab.Cut(x.s)
	defer x.lab.Restore(x.s)
	return x.dial(x.a, 40000, x.endpoint(x.s, 4444))
}

// knock tells whether the NAT lets a SYN in from where the SYN of unanswered went. What the host
// inside answers is another matter.
func (x *scene) knock() string {
	x.dial(x.s, 4444, x.mapped(40000))
	for _, f := range x.lab.Flows() {
		if f.Network == x.nat.Name() && f.Src == x.endpoint(x.s, 4444) && f.SYNs > 0 {
			return "let in"
		}
	}
	return "kept out"
}

// mapped is a port of the NAT's external address.
func (x *scene) mapped(port uint16) netip.AddrPort { return netip.AddrPortFrom(x.nat.Addr(), port) }

func (x *scene) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// dialTTL is dial with a hop limit.
func (x *scene) dialTTL(h *Host, port uint16, to netip.AddrPort, ttl int) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	err := h.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: int(port)}}
		d.Control = func(network, address string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl)
			})
			return errors.Join(err, shared(network, address, c))
		}
		c, err := d.DialContext(ctx, "tcp4", to.String())
		if err == nil {
			c.Close()
		}
		return err
	})
	return outcomeOf(err)
}

// exchange sends a byte to an echo server and waits for it to come back.
func exchange(c net.Conn) string {
	c.SetDeadline(time.Now().Add(answerTime))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write([]byte{1}); err != nil {
		return outcomeOf(err)
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return outcomeOf(err)
}

// settle waits until no acknowledgment is due any more, which Linux delays by up to 200 ms.
func settle(t *testing.T, lab *Lab) {
	t.Helper()
	const quiet = 250 * time.Millisecond
	for {
		var last time.Time
		for _, f := range lab.Flows() {
			if f.Last.After(last) {
				last = f.Last
			}
		}
		if time.Since(last) > quiet {
			return
		}
		if err := waitUntil(last.Add(quiet)); err != nil {
			t.Fatal(err)
		}
	}
}

// pass sends a byte one way.
func pass(from, to net.Conn) string {
	to.SetReadDeadline(time.Now().Add(answerTime))
	if _, err := from.Write([]byte{1}); err != nil {
		return outcomeOf(err)
	}
	_, err := io.ReadFull(to, make([]byte, 1))
	return outcomeOf(err)
}

func words(w ...string) string { return strings.Join(w, " ") }
