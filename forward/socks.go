package forward

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"
)

// requestTimeout is how long a SOCKS client may take to say where it wants to go.
const requestTimeout = 10 * time.Second

// A Destination is where SOCKS clients may go. [ParseDestination] makes one.
type Destination struct {
	any    bool   // anywhere but to this machine
	name   string // lower case; with suffix set, ".example.org" for what ends so
	suffix bool
	prefix netip.Prefix // where name is empty
	port   uint16       // 0: any
}

// ParseDestination reads HOST:PORT, of which the host is a name, *.NAME for all names below it, an address, a range of them
// (10.0.0.0/8) or * for everything but the machine itself and its link; the port is a number or *. IPv6 takes brackets.
func ParseDestination(text string) (Destination, error) {
	bad := func(why string) (Destination, error) {
		return Destination{}, fmt.Errorf("forward: destination %q: %s", text, why)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return bad("want HOST:PORT")
	}
	var d Destination
	if port != "*" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad("want a port of 1 to 65535, or *")
		}
		d.port = uint16(n)
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		d.prefix = prefix.Masked()
		return d, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		d.prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		return d, nil
	}
	switch {
	case host == "*":
		d.any = true
	case strings.HasPrefix(host, "*."):
		d.name, d.suffix = strings.ToLower(host[1:]), true
	default:
		d.name = strings.ToLower(host)
	}
	if host == "" || strings.ContainsAny(d.name, "*/ ") {
		return bad("want a name, *.NAME, an address, a range of addresses or *")
	}
	return d, nil
}

// allows tells whether a client may go to a port of addr, which it called by name, if that is not empty. own tells the
// addresses of this machine.
func (d Destination) allows(name string, addr netip.Addr, port uint16, own func(netip.Addr) bool) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	switch {
	case d.port != 0 && d.port != port:
		return false
	case d.any:
		return addr.IsGlobalUnicast() && !own(addr)
	case d.suffix:
		return strings.HasSuffix(name, d.name)
	case d.name != "":
		return name == d.name
	}
	return d.prefix.Contains(addr)
}

// Socks serves a listener as a SOCKS5 proxy (RFC 1928) without authentication: whoever may connect may go to the
// destinations, and nowhere else. It knows CONNECT only. Names are looked up here, and the address that was found is dialled.
// It returns, and logs, as [Expose] does.
func Socks(ctx context.Context, listener net.Listener, destinations []Destination, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return accept(ctx, listener, func(conn net.Conn) {
		stop := context.AfterFunc(ctx, func() { abort(conn) })
		defer stop()
		defer conn.Close()
		s := socks{ctx, conn, destinations, log.With("remote", conn.RemoteAddr())}
		server := socks5.NewServer(socks5.WithRule(s), socks5.WithConnectHandle(s.connect), socks5.WithLogger(silent{}))
		conn.SetDeadline(time.Now().Add(requestTimeout))
		if err := server.ServeConn(conn); err != nil {
			s.log.Info("request failed", "err", err)
		}
	})
}

// socks serves one connection.
type socks struct {
	ctx          context.Context
	conn         net.Conn
	destinations []Destination
	log          *slog.Logger
}

// Allow tells whether a request may be served. It is what the library asks.
func (s socks) Allow(ctx context.Context, request *socks5.Request) (context.Context, bool) {
	if request.Command != statute.CommandConnect || request.DestAddr == nil {
		return ctx, false
	}
	addr, ok := netip.AddrFromSlice(request.DestAddr.IP)
	port := request.DestAddr.Port
	if !ok || port <= 0 || port > 65535 {
		return ctx, false
	}
	for _, d := range s.destinations {
		if d.allows(request.DestAddr.FQDN, addr.Unmap(), uint16(port), ownAddress) {
			return ctx, true
		}
	}
	s.log.Warn("destination is not allowed", "destination", request.DestAddr.String())
	return ctx, false
}

// ownAddress tells whether this machine has an address.
func ownAddress(addr netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true // not known to be another's
	}
	for _, a := range all {
		if prefix, ok := a.(*net.IPNet); ok {
			if own, _ := netip.AddrFromSlice(prefix.IP); own.Unmap() == addr {
				return true
			}
		}
	}
	return false
}

// connect serves an allowed request.
func (s socks) connect(_ context.Context, answer io.Writer, request *socks5.Request) error {
	addr, _ := netip.AddrFromSlice(request.DestAddr.IP) // Allow has checked it
	target := netip.AddrPortFrom(addr.Unmap(), uint16(request.DestAddr.Port))
	dialer := net.Dialer{Timeout: dialTimeout}
	there, err := dialer.DialContext(s.ctx, "tcp", target.String())
	if err != nil {
		socks5.SendReply(answer, statute.RepHostUnreachable, nil)
		return err
	}
	defer context.AfterFunc(s.ctx, func() { abort(there) })()
	if err := socks5.SendReply(answer, statute.RepSuccess, there.LocalAddr()); err != nil {
		there.Close()
		return err
	}
	s.conn.SetDeadline(time.Time{})
	counts, err := Splice(ahead{s.conn, request.Reader}, there)
	s.log.Info("connection ended", "bytes_in", counts.AtoB, "bytes_out", counts.BtoA)
	return err
}

// ahead is a connection of which some bytes were read before they were wanted.
type ahead struct {
	net.Conn
	reader io.Reader
}

func (a ahead) Read(p []byte) (int, error) { return a.reader.Read(p) }

func (a ahead) CloseWrite() error { return closeWrite(a.Conn) }

func (a ahead) Abort() error {
	abort(a.Conn)
	return nil
}

// silent is a logger for a library that says what its errors say.
type silent struct{}

// Errorf does nothing.
func (silent) Errorf(string, ...any) {}
