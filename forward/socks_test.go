package forward

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/proxy"
)

func TestDestinationsAllowWhatTheySay(t *testing.T) {
	own := func(a netip.Addr) bool { return a == netip.MustParseAddr("10.1.1.1") }
	for _, c := range []struct {
		rule, name, addr string
		port             uint16
		want             bool
	}{
		{"web.example.org:443", "web.example.org", "203.0.113.7", 443, true},
		{"web.example.org:443", "WEB.example.org.", "203.0.113.7", 443, true},
		{"web.example.org:443", "web.example.org", "203.0.113.7", 80, false},
		{"web.example.org:443", "", "203.0.113.7", 443, false},
		{"web.example.org:443", "evil-web.example.org", "203.0.113.7", 443, false},
		{"localhost:80", "localhost", "127.0.0.1", 80, true},
		{"*.example.org:*", "web.example.org", "203.0.113.7", 1, true},
		{"*.example.org:*", "example.org", "203.0.113.7", 1, false},
		{"*.example.org:*", "badexample.org", "203.0.113.7", 1, false},
		{"10.0.0.0/8:22", "", "10.2.3.4", 22, true},
		{"10.0.0.0/8:22", "anything", "10.2.3.4", 22, true},
		{"10.0.0.0/8:22", "10.2.3.4", "11.2.3.4", 22, false},
		{"127.0.0.1:22", "", "127.0.0.1", 22, true},
		{"[2001:db8::]:443", "", "2001:db8::", 443, true},
		{"[2001:db8::/32]:443", "", "2001:db8:1::", 443, true},
		{"*:443", "", "203.0.113.7", 443, true},
		{"*:*", "", "10.2.3.4", 9, true},
		{"*:*", "localhost", "127.0.0.1", 22, false},
		{"*:*", "", "::1", 22, false},
		{"*:*", "", "169.254.169.254", 80, false},
		{"*:*", "", "0.0.0.0", 80, false},
		{"*:*", "", "10.1.1.1", 22, false},
	} {
		d, err := ParseDestination(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.allows(c.name, netip.MustParseAddr(c.addr), c.port, own); got != c.want {
			t.Errorf("%s for %q at %s port %d: %v, want %v", c.rule, c.name, c.addr, c.port, got, c.want)
		}
	}
	for _, text := range []string{"", "host", "host:", "host:0", "host:99999", "host:http", ":80", "a*b:80", "*.*:80", "1.2.3.4/99:80"} {
		if d, err := ParseDestination(text); err == nil {
			t.Errorf("%q became %+v", text, d)
		}
	}
}

// proxied serves a proxy to destinations, and returns a dialer through it.
func proxied(t *testing.T, destinations ...string) (dialer proxy.Dialer, address string) {
	t.Helper()
	var all []Destination
	for _, text := range destinations {
		d, err := ParseDestination(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Socks(ctx, l, all, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Socks: %v", err)
		}
	})
	dialer, err = proxy.SOCKS5("tcp", l.Addr().String(), nil, proxy.Direct)
	if err != nil {
		t.Fatal(err)
	}
	return dialer, l.Addr().String()
}

func TestAProxyGoesWhereItMayAndNowhereElse(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			go func() { // answers when the question has ended
				defer conn.Close()
				text, _ := io.ReadAll(conn)
				conn.Write([]byte("echo " + string(text)))
			}()
		}
	}()
	dialer, address := proxied(t, target.Addr().String())
	conn, err := dialer.Dial("tcp", target.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte("hello"))
	conn.(interface{ CloseWrite() error }).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "echo hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := dialer.Dial("tcp", address); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("another destination: %v", err)
	}

	// What is no request, or another than CONNECT, is turned away.
	for name, said := range map[string]string{
		"http": "GET / HTTP/1.1\r\n\r\n", "version 4": "\x04\x01\x00\x16\x7f\x00\x00\x01\x00",
		"bind": "\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x16", "udp": "\x05\x01\x00\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x16",
		"no way in": "\x05\x01\x02", "a name of zeros": "\x05\x01\x00\x05\x01\x00\x03\x00\x00\x00",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(said))
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		if len(answer) > 3 && answer[3] == 0 {
			t.Errorf("%s: %x, which is a success", name, answer)
		}
		conn.Close()
	}
}
