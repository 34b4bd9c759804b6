package reuseport

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestADialBeginsAnewWhenTheOtherEndSends(t *testing.T) {
	began := time.Unix(1, 0)
	for name, c := range map[string]struct {
		counts []uint32
		over   bool
	}{
		"nothing comes":                         {[]uint32{0, 0, 0}, false},
		"a late acknowledgment, or a challenge": {[]uint32{0, 1, 1, 1}, false},
		"data":                                  {[]uint32{0, 12}, true},
		"an acknowledgment, and then something else": {[]uint32{1, 1, 2}, true},
	} {
		var seen crossing
		for i, count := range c.counts {
			seen.look(count, began.Add(time.Duration(i)*crossedMargin))
		}
		if seen.over() != c.over {
			t.Errorf("%s: over is %v, want %v", name, seen.over(), c.over)
		}
	}
	seen := crossing{}
	seen.look(1, began)
	seen.look(2, began.Add(time.Second))
	if !seen.first.Equal(began) {
		t.Errorf("the first came at %v, want %v", seen.first, began)
	}
}

func TestARedialConnectsAndEndsWithItsContext(t *testing.T) {
	p, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(listener.Addr().String())
	conn, err := p.Redial(t.Context(), at, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	Abort(conn)
	listener.Close()
	if conn, err := p.Redial(t.Context(), at, time.Millisecond); err == nil || Classify(err) != Refused {
		t.Errorf("nobody listens: got %v, %v, want that it is refused in the end", conn, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Redial(over, at, time.Millisecond); Classify(err) != Canceled {
		t.Errorf("ctx is over: got %v", err)
	}
}
