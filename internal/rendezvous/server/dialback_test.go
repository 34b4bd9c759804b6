package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A firewall is what a server finds that dials back: what becomes of a SYN, by the address it comes from.
type firewall struct {
	key   []byte // the node's
	fates map[string]string

	mu      sync.Mutex
	dialled []string // "from to"
}

func (f *firewall) dialFrom(ctx context.Context, from netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	f.mu.Lock()
	f.dialled = append(f.dialled, fmt.Sprint(from, " ", remote))
	f.mu.Unlock()
	switch fate := f.fates[from.String()]; fate {
	case "reset":
		return nil, syscall.ECONNREFUSED
	case "icmp":
		return nil, syscall.EHOSTUNREACH
	case "no address": // of this machine
		return nil, syscall.EADDRNOTAVAIL
	case "dropped":
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		door := &street{doors: map[netip.AddrPort][]byte{remote: f.key}}
		if fate == "stranger" {
			door.doors[remote] = nil
		}
		return door.dial(ctx, remote)
	}
}

// newDiallingServer returns a server with two addresses of IPv4 and one of IPv6, behind a firewall.
func newDiallingServer(t *testing.T, f *firewall, limits Limits) *Server {
	t.Helper()
	var holes []netip.AddrPort
	for _, hole := range []string{"203.0.113.10:8000", "203.0.113.20:8000", "[2001:db8::10]:8000"} {
		holes = append(holes, netip.MustParseAddrPort(hole))
	}
	return proving(t, Config{Limits: limits, DialFrom: f.dialFrom, Holes: holes})
}

// asks sends a DialBack and returns the answer, once it is there.
func (f *fakeNode) asks(t *testing.T, k []byte) *wire.DialledBack {
	t.Helper()
	f.say(&wire.ClientMessage{Body: &wire.ClientMessage_DialBack{DialBack: &wire.DialBack{Number: 7, Key: k}}})
	time.Sleep(10 * time.Second)
	synctest.Wait()
	messages := f.take()
	if len(messages) != 1 || messages[0].GetDialledBack().GetNumber() != 7 {
		t.Fatalf("node %x was sent %v, want one DialledBack of number 7", f.node[24:], messages)
	}
	return messages[0].GetDialledBack()
}

// told is the tries in words.
func told(d *wire.DialledBack) string {
	var words []string
	for _, try := range d.Tries {
		word := strings.ToLower(strings.TrimPrefix(try.Answer.String(), "UNSOLICITED_ANSWER_"))
		if try.OtherAddress {
			word = "other " + word
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func TestEachFateOfADialBackIsTold(t *testing.T) {
	for name, row := range map[string]struct {
		near, far string
		want      string
	}{
		"all open":            {"", "", "accepted, other accepted"},
		"closed from afar":    {"", "dropped", "accepted, other dropped"},
		"a reset":             {"reset", "reset", "reset, other reset"},
		"icmp":                {"icmp", "dropped", "icmp, other dropped"},
		"somebody else":       {"stranger", "", "unspecified, other accepted"},
		"no such own address": {"dropped", "no address", "dropped"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &firewall{key: key(1), fates: map[string]string{"203.0.113.10": row.near, "203.0.113.20": row.far}}
			s := newDiallingServer(t, f, Limits{})
			a := join(s, 1, 1)
			a.local = netip.MustParseAddr("203.0.113.10")
			if got := told(a.asks(t, key(1))); got != row.want {
				t.Errorf("%s: told %q, want %q", name, got, row.want)
			}
		})
	}
}

func TestANodeIsDialledBackOnlyWhereItIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &firewall{key: key(1)}
		s := newDiallingServer(t, f, Limits{})
		a := join(s, 1, 1)
		a.local = netip.MustParseAddr("203.0.113.20")
		a.asks(t, key(1))
		a.room.observe(a.conn, netip.MustParseAddrPort("[2001:db8::1]:40001"), netip.MustParseAddr("2001:db8::10"))
		a.asks(t, key(1))
		slices.Sort(f.dialled)
		want := []string{"2001:db8::10 [2001:db8::1]:40001",
			"203.0.113.10 192.0.2.1:40001", "203.0.113.10 192.0.2.1:40001", "203.0.113.20 192.0.2.1:40001", "203.0.113.20 192.0.2.1:40001"}
		if !slices.Equal(f.dialled, want) {
			t.Errorf("dialled %q, want %q", f.dialled, want)
		}
		m := registering(1, true)
		m.GetRegister().Proxied = true
		a.say(m)
		f.dialled = nil
		a.asks(t, key(1))
		if !slices.Equal(f.dialled, want[:1]) {
			t.Errorf("of a node behind a proxy dialled %q, want %q", f.dialled, want[:1])
		}
	})
}

func TestNodesOfOneAddressShareABudgetOfDialBacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &firewall{key: key(1), fates: map[string]string{"203.0.113.10": "dropped", "203.0.113.20": "dropped"}}
		s := newDiallingServer(t, f, Limits{DialBacksPerMinute: 6})
		a := join(s, 1, 1)
		a.local = netip.MustParseAddr("203.0.113.10")
		ask := &wire.ClientMessage{Body: &wire.ClientMessage_DialBack{DialBack: &wire.DialBack{Number: 7, Key: key(1)}}}
		a.say(ask)
		a.say(ask) // while the first is under way
		messages := a.take()
		if len(messages) != 1 || len(messages[0].GetDialledBack().GetTries()) != 0 || messages[0].GetDialledBack().GetRetryAfterMs() == 0 {
			t.Errorf("a second question at once is answered with %v, want nothing tried and a time", messages)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		a.take()
		asked := 0
		for range 10 {
			if d := a.asks(t, key(1)); len(d.Tries) > 0 {
				asked++
			} else if d.RetryAfterMs == 0 {
				t.Error("refused without a time to come again")
			}
		}
		// 6 at once and one each 10 s, in 110 s.
		if n := len(f.dialled); n > 6+11 {
			t.Errorf("an address was dialled %d times in 110 s, want at most 17", n)
		}
		if asked == 0 {
			t.Error("nothing was tried at all")
		}
	})
}

func TestADialBackEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &firewall{key: key(1), fates: map[string]string{"203.0.113.10": "dropped", "203.0.113.20": "dropped"}}
		s := newDiallingServer(t, f, Limits{})
		ctx, cancel := context.WithCancel(t.Context())
		s.prover.open(ctx)
		a := join(s, 1, 1)
		a.local = netip.MustParseAddr("203.0.113.10")
		a.say(&wire.ClientMessage{Body: &wire.ClientMessage_DialBack{DialBack: &wire.DialBack{Number: 7, Key: key(1)}}})
		synctest.Wait()
		cancel()
		s.prover.close()
		for _, m := range a.take() {
			if len(m.GetDialledBack().GetTries()) != 0 {
				t.Errorf("told %v of dials that were given up", m)
			}
		}
	})
}

func TestSamplesAreToldNobody(t *testing.T) {
	s := newTestServer(t, Limits{})
	a := join(s, 1, 1)
	for _, isSample := range []bool{true, false} {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			s.answerHole(namedConn{far})
		}()
		wire.Write(near, &wire.HoleHello{Token: s.tokens.issue(a.number), Sample: isSample})
		near.Read(make([]byte, 1))
		near.Close()
		_, _, observed, _ := a.room.whereabouts(a.conn)
		if isTold := len(observed) == 2; isTold == isSample {
			t.Errorf("sample %v: peers are told of %v", isSample, wire.AddrPorts(observed))
		}
		if messages := a.take(); isSample && len(messages) != 0 {
			t.Errorf("of a sample the main connection is told %v", messages)
		}
	}
}

// A namedConn is a pipe between a node and a hole listener.
type namedConn struct{ net.Conn }

func (namedConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 50000} }
func (namedConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 10), Port: 8000} }
