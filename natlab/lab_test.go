package natlab

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestTwoHostsTalkOverTheInternet(t *testing.T) {
	lab := Test(t, Config{})
	s := lab.Host("s", Delay(20*time.Millisecond))
	a := lab.Host("a", Delay(5*time.Millisecond))
	l, err := s.Listen("tcp", ":4000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(l)
	start := time.Now()
	c, err := a.Dial(t.Context(), "tcp", netip.AddrPortFrom(s.Addr(), 4000).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Log("connected in", time.Since(start))
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	for _, f := range lab.Flows() {
		t.Logf("%+v", f)
	}
}

func TestBehindNATTalksToServer(t *testing.T) {
	lab := Test(t, Config{})
	s := lab.Host("s", Delay(20*time.Millisecond))
	a := lab.NAT("na", PortRestrictedCone(), Delay(5*time.Millisecond)).Host("a")
	l, err := s.Listen("tcp", ":4000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(l)
	start := time.Now()
	c, err := a.Dial(t.Context(), "tcp", netip.AddrPortFrom(s.Addr(), 4000).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Log("connected in", time.Since(start))
	defer c.Close()
	c.Write([]byte("hello"))
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	for _, f := range lab.Flows() {
		t.Logf("%+v", f)
	}
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}
