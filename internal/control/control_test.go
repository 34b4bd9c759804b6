package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

func TestWhatTheNodeKnowsComesThroughUnchanged(t *testing.T) {
	node := newFakeNode(t)
	node.peers = []bodkin.Peer{
		{ID: node.id, Name: "ben", Online: true, RTT: time.Millisecond, BytesIn: 7, Path: &bodkin.Path{
			Kind: bodkin.Direct, Local: netip.MustParseAddrPort("10.0.0.2:2000"),
			Remote: netip.MustParseAddrPort("[2001:db8::1]:3000"), Candidate: "host",
		}},
		{Name: "eve"},
	}
	client, _ := connected(t, node)
	if client.ID() != node.id || client.Name() != "ada" || client.Info().PID == 0 {
		t.Errorf("info: %+v", client.Info())
	}
	peers, err := client.Peers(t.Context())
	if err != nil || !reflect.DeepEqual(peers, node.peers) {
		t.Errorf("peers: %+v, %v\nwant %+v", peers, err, node.peers)
	}
	diagnosis, err := client.Diagnose(t.Context())
	if err != nil || !diagnosis.Complete || len(diagnosis.Advice) != 1 || len(diagnosis.Samples) != 1 || diagnosis.Samples[0].Seen.Port() != 40000 {
		t.Errorf("diagnosis: %+v, %v", diagnosis, err)
	}
	if status, err := client.Status(t.Context()); err != nil || status.Server != "server.example:4000" {
		t.Errorf("status: %+v, %v", status, err)
	}
	if ping, err := client.Ping(t.Context(), "ben"); err != nil || ping.Name != "ben" || ping.RTT != 3*time.Millisecond {
		t.Errorf("ping: %+v, %v", ping, err)
	}
}

func TestErrorsAreToldApartOnBothSidesOfTheSocket(t *testing.T) {
	for _, c := range classes() {
		t.Run(c.name, func(t *testing.T) {
			node := newFakeNode(t)
			node.err = fmt.Errorf("while trying: %w", c.err)
			client, _ := connected(t, node)

			_, pingErr := client.Ping(t.Context(), "ben")
			_, dialErr := client.Dial(t.Context(), "ben", "echo")
			var watchErr error
			for _, err := range client.Watch(t.Context()) {
				watchErr = err
			}
			for _, err := range []error{pingErr, dialErr, watchErr} {
				if !c.fits(err) || err.Error() != node.err.Error() {
					t.Errorf("got %v, want %v", err, node.err)
				}
			}
		})
	}
}

func TestAWatchTellsEventsAsTheyCome(t *testing.T) {
	node := newFakeNode(t)
	client, stop := connected(t, node)
	node.events <- bodkin.Event{Kind: bodkin.Current}
	var seen []bodkin.EventKind
	var last error
	for event, err := range client.Watch(t.Context()) {
		if last = err; err != nil {
			break
		}
		switch seen = append(seen, event.Kind); event.Kind {
		case bodkin.Current:
			node.events <- bodkin.Event{Kind: bodkin.Joined, Peer: bodkin.Peer{Name: "ben"}}
		case bodkin.Joined:
			go stop()
		}
	}
	if want := []bodkin.EventKind{bodkin.Current, bodkin.Joined}; !reflect.DeepEqual(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
	if !errors.Is(last, ErrStopped) {
		t.Errorf("the watch ended with %v, want ErrStopped", last)
	}
}

func TestAStreamKeepsItsTwoEndsApart(t *testing.T) {
	node := newFakeNode(t)
	client, _ := connected(t, node)
	stream, peer := node.dialled(t, client, "echo")
	if stream.PeerName() != "ben" || stream.Service() != "echo" || stream.Path().Kind != bodkin.Direct {
		t.Errorf("stream of %q to %q by %v", stream.PeerName(), stream.Service(), stream.Path())
	}

	request := bytes.Repeat([]byte("0123456789"), 50_000)
	go func() {
		stream.Write(request)
		stream.CloseWrite()
	}()
	if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, request) {
		t.Fatalf("peer got %d bytes, %v; want %d", len(got), err, len(request))
	}
	go func() {
		peer.Write(request)
		peer.CloseWrite()
	}()
	if got, err := io.ReadAll(stream); err != nil || !bytes.Equal(got, request) {
		t.Errorf("answer of %d bytes, %v; want %d", len(got), err, len(request))
	}
}

// Seen to fail: with Path telling what the answer to the dial told.
func TestAStreamTellsThePathItTakesNow(t *testing.T) {
	node := newFakeNode(t)
	node.path = new(atomic.Pointer[bodkin.Path])
	node.path.Store(&bodkin.Path{Kind: bodkin.Relayed})
	client, stop := connected(t, node)
	stream, _ := node.dialled(t, client, "echo")
	for _, path := range []bodkin.Path{{Kind: bodkin.Relayed}, {Kind: bodkin.Direct, Remote: netip.MustParseAddrPort("192.0.2.1:2000")}, {}} {
		node.path.Store(&path)
		if got := stream.Path(); got != path {
			t.Errorf("it takes %v, want %v", got, path)
		}
	}
	stop()
	if got := stream.Path(); got.Kind != bodkin.Relayed {
		t.Errorf("with nobody to ask it takes %v, want that of the beginning", got)
	}
}

func TestACommandThatDiesCutsItsStream(t *testing.T) {
	node := newFakeNode(t)
	client, _ := connected(t, node)
	stream, peer := node.dialled(t, client, "drop")
	stream.Write([]byte("half of a fi"))
	stream.Close() // as the kernel does for a killed process: no end was sent
	if got, err := io.ReadAll(peer); err == nil {
		t.Errorf("the peer took %q for the whole", got)
	}
}

func TestANodeThatStopsCutsItsStreams(t *testing.T) {
	node := newFakeNode(t)
	client, stop := connected(t, node)
	stream, peer := node.dialled(t, client, "fetch")
	peer.Write([]byte("half of a fi"))
	if _, err := io.ReadFull(stream, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := stream.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Read after the node stopped: %v, want an error that is no end", err)
	}
	if _, err := client.Dial(t.Context(), "ben", "fetch"); !errors.Is(err, ErrStopped) {
		t.Errorf("Dial after the node stopped: %v, want ErrStopped", err)
	}
}

// Seen to fail: what only writing had told became "stream was cut".
func TestThePeersRefusalReachesTheCommand(t *testing.T) {
	for name, refuse := range map[string]func(*fakeNode){
		"told by reading": func(n *fakeNode) { n.broken = bodkin.ErrServiceUnknown },
		"told by writing": func(n *fakeNode) { n.deaf = bodkin.ErrServiceUnknown },
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(t)
			refuse(node)
			client, _ := connected(t, node)
			stream, _ := node.dialled(t, client, "nothing")
			stream.Write([]byte("hello?"))
			if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, bodkin.ErrServiceUnknown) {
				t.Errorf("Read: %v, want ErrServiceUnknown", err)
			}
		})
	}
}

func TestACancelledDialIsCancelledInTheNode(t *testing.T) {
	client, stop := connected(t, newFakeNode(t))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Dial(ctx, "nobody-answers", "echo"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial: %v", err)
	}
	stop() // waits for the node's Dial, which only a cancelled context ends
}

func TestAServiceIsFreeAgainWhenItsCommandGoes(t *testing.T) {
	node := newFakeNode(t)
	client, stop := connected(t, node)
	first, err := client.Listen(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Listen(t.Context(), "echo"); !errors.Is(err, bodkin.ErrServiceTaken) {
		t.Errorf("second listener: %v, want ErrServiceTaken", err)
	}
	peer := node.call(t, "echo")
	stream, err := first.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer.Write([]byte("hello"))
	peer.CloseWrite()
	if got, err := io.ReadAll(stream); err != nil || string(got) != "hello" {
		t.Errorf("accepted stream gave %q, %v", got, err)
	}
	stream.Close()

	accepted := make(chan error, 1)
	go func() {
		_, err := first.Accept()
		accepted <- err
	}()
	first.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
	stop() // waits until the listener is gone
	if node.listensOn("echo") {
		t.Error("the service is still taken")
	}
}
