package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A street is what a proving server finds when it dials: doors by endpoint, each with the key that its owner answers with.
type street struct {
	dialled []netip.AddrPort
	doors   map[netip.AddrPort][]byte
}

var errNobody = errors.New("nobody there")

func (s *street) dial(_ context.Context, remote netip.AddrPort) (net.Conn, error) {
	s.dialled = append(s.dialled, remote)
	key, ok := s.doors[remote]
	if !ok {
		return nil, errNobody
	}
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		b := make([]byte, wire.PrefaceLen)
		far.Read(b)
		if preface, err := wire.ParsePreface(b); err == nil && preface.Kind == wire.Proof && key != nil {
			far.Write(wire.Answer(key, preface.Challenge[:]))
		}
		far.Read(b) // until the server has gone
	}()
	return near, nil
}

// newProvingServer returns a server that proves as if it served, until the test ends.
func newProvingServer(t *testing.T, s *street, limits Limits) *Server {
	t.Helper()
	return proving(t, Config{Limits: limits, Dial: s.dial})
}

// proving returns a server that dials nodes as if it served, until the test ends.
func proving(t *testing.T, config Config) *Server {
	t.Helper()
	config.TLS = &tls.Config{}
	server, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server.prover.open(ctx)
	t.Cleanup(func() {
		cancel()
		server.prover.close()
	})
	return server
}

func mappedMessage(endpoint string, key []byte) *wire.ClientMessage {
	return &wire.ClientMessage{Body: &wire.ClientMessage_Mapped{Mapped: &wire.Mapped{Endpoint: wire.NewEndpoint(netip.MustParseAddrPort(endpoint)), Key: key}}}
}

// proof returns the code in the only message taken.
func (f *fakeNode) proof(t *testing.T) wire.MappedProof_Code {
	t.Helper()
	messages := f.take()
	if len(messages) != 1 || messages[0].GetMappedProof() == nil {
		t.Fatalf("node %x was sent %v, want MappedProof", f.node[24:], messages)
	}
	return messages[0].GetMappedProof().Code
}

func key(b byte) []byte {
	k := make([]byte, wire.ProofLen)
	k[0] = b
	return k
}

func TestAMappedEndpointIsToldToPeersOnceTheNodeHasAnsweredThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := netip.MustParseAddrPort("192.0.2.1:50000") // node 1 is seen at 192.0.2.1:40001
		for name, row := range map[string]struct {
			doors map[netip.AddrPort][]byte
			want  wire.MappedProof_Code
		}{
			"the node is there":          {map[netip.AddrPort][]byte{there: key(1)}, wire.MappedProof_CODE_PROVEN},
			"nobody is there":            {nil, wire.MappedProof_CODE_UNPROVEN},
			"somebody who says nothing":  {map[netip.AddrPort][]byte{there: nil}, wire.MappedProof_CODE_UNPROVEN},
			"another node is there":      {map[netip.AddrPort][]byte{there: key(2)}, wire.MappedProof_CODE_UNPROVEN},
			"the node is at another one": {map[netip.AddrPort][]byte{netip.MustParseAddrPort("192.0.2.1:50001"): key(1)}, wire.MappedProof_CODE_UNPROVEN},
		} {
			s := newProvingServer(t, &street{doors: row.doors}, Limits{})
			a, b := join(s, 1, 1), join(s, 1, 2)
			a.say(mappedMessage(there.String(), key(1)))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := a.proof(t); got != row.want {
				t.Errorf("%s: got %v, want %v", name, got, row.want)
			}
			b.say(dialNode(1, 1))
			told := wire.AddrPorts(b.introduced(t).Mapped)
			if isTold := len(told) == 1 && told[0] == there; isTold != (row.want == wire.MappedProof_CODE_PROVEN) {
				t.Errorf("%s: the peer is told of %v", name, told)
			}
		}
	})
}

func TestNoNodeHasTheServerDialAStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &street{}
		server := newProvingServer(t, s, Limits{})
		a := join(server, 1, 1)
		for _, endpoint := range []string{"192.0.2.2:50000", "127.0.0.1:50000", "192.0.2.1:1023", "192.0.2.1:22", "[2001:db8::1]:50000", "169.254.169.254:50000"} {
			a.say(mappedMessage(endpoint, key(1)))
			synctest.Wait()
			if got := a.proof(t); got != wire.MappedProof_CODE_ELSEWHERE {
				t.Errorf("%s: got %v, want ELSEWHERE", endpoint, got)
			}
		}
		if len(s.dialled) > 0 {
			t.Errorf("the server dialled %v", s.dialled)
		}
		// Where a hole connection came from is as good as where the main connection does.
		a.room.observe(a.conn, netip.MustParseAddrPort("192.0.2.77:40001"), netip.Addr{})
		a.say(mappedMessage("192.0.2.77:50000", key(1)))
		synctest.Wait()
		if len(s.dialled) != 1 {
			t.Errorf("the server dialled %v, want the address of the hole connection", s.dialled)
		}
	})
}

func TestProofsOfOneAddressAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &street{}
		server := newProvingServer(t, s, Limits{ProofsPerMinute: 5, MessagesPerSecond: 1000})
		a := join(server, 1, 1)
		for range 100 {
			a.say(mappedMessage("192.0.2.1:50000", key(1)))
			synctest.Wait()
		}
		if len(s.dialled) != 5 {
			t.Errorf("100 requests at once made the server dial %d times, want 5", len(s.dialled))
		}
		last := a.take()
		if proof := last[len(last)-1].GetMappedProof(); proof.GetCode() != wire.MappedProof_CODE_LIMITED || proof.GetRetryAfterMs() == 0 {
			t.Errorf("told %v, want LIMITED and when to come back", proof)
		}
		time.Sleep(time.Minute)
		a.say(mappedMessage("192.0.2.1:50000", key(1)))
		synctest.Wait()
		if len(s.dialled) != 6 {
			t.Errorf("a minute later the server dialled %d times, want 6", len(s.dialled))
		}
		server.prover.forget(server.now() + time.Hour)
		if n := len(server.prover.byAddress); n != 0 {
			t.Errorf("%d budgets are kept for ever", n)
		}
	})
}

func TestAMappingIsForgottenWhenTheNodeSaysSoOrAsksForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := netip.MustParseAddrPort("192.0.2.1:50000")
		server := newProvingServer(t, &street{doors: map[netip.AddrPort][]byte{there: key(1)}}, Limits{})
		a := join(server, 1, 1)
		mapped := func() int {
			_, _, _, mapped := a.room.whereabouts(a.conn)
			return len(mapped)
		}
		a.say(mappedMessage(there.String(), key(1)))
		synctest.Wait()
		if mapped() != 1 {
			t.Fatal("not proven")
		}
		a.say(&wire.ClientMessage{Body: &wire.ClientMessage_Mapped{Mapped: &wire.Mapped{}}})
		if mapped() != 0 {
			t.Error("told still, after the node said that there is none")
		}
		a.say(mappedMessage(there.String(), key(1)))
		synctest.Wait()
		a.say(mappedMessage("192.0.2.1:50001", key(1)))
		synctest.Wait()
		if mapped() != 0 {
			t.Error("told still, after another one that failed")
		}
	})
}

func TestAProofInTheMiddleOfAnAttemptBeginsTheNextRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := netip.MustParseAddrPort("192.0.2.1:50000")
		same := netip.MustParseAddrPort("192.0.2.1:40001") // where node 1 is seen: peers dial that already
		server := newProvingServer(t, &street{doors: map[netip.AddrPort][]byte{there: key(1), same: key(1)}}, Limits{})
		a, b, _, _ := dialled(t, server)
		a.say(mappedMessage(same.String(), key(1)))
		synctest.Wait()
		if got := a.proof(t); got != wire.MappedProof_CODE_PROVEN {
			t.Fatalf("got %v", got)
		}
		b.quiet(t)
		a.say(mappedMessage(there.String(), key(1)))
		synctest.Wait()
		if i := b.introduced(t); i.Round != 2 || len(i.Mapped) != 1 || i.Mapped[0].AddrPort() != there {
			t.Errorf("the peer was sent %v, want round 2 with %v", i, there)
		}
	})
}

func TestAProofOfANodeThatLeftIsNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := netip.MustParseAddrPort("192.0.2.1:50000")
		server := newProvingServer(t, &street{doors: map[netip.AddrPort][]byte{there: nil}}, Limits{})
		a := join(server, 1, 1)
		a.say(mappedMessage(there.String(), key(1)))
		server.drop(a.conn, "by_node")
		synctest.Wait()
		if len(server.prover.byConn) > 0 || len(server.prover.slots) > 0 {
			t.Error("the proof goes on")
		}
	})
}
