package bodkin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/server"
)

// startServer runs a server on loopback, without a relay, and returns an invite to a room of it.
func startServer(t testing.TB, home, main, hole string) (invite bodkin.Invite, stop func()) {
	t.Helper()
	s, err := server.Open(server.Config{Home: home, Main: []string{main}, Hole: []string{hole}, NoRelay: true})
	if err != nil {
		t.Fatal(err)
	}
	if invite, err = s.Invite(server.DefaultRoom); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(stop)
	return invite, stop
}

func loopbackServer(t testing.TB) bodkin.Invite {
	invite, _ := startServer(t, t.TempDir(), "127.0.0.1:0", "127.0.0.1:0")
	return invite
}

func joinRoom(t testing.TB, invite bodkin.Invite, config bodkin.Config) *bodkin.Node {
	t.Helper()
	config.Invite = invite
	config.NoPortMapping = true // where there is no lab this is the developer's own network
	node, err := bodkin.Join(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	return node
}

func TestTwoNodesOnOneMachineTalk(t *testing.T) {
	invite := loopbackServer(t)
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	ben := joinRoom(t, invite, bodkin.Config{Name: "ben"})
	echo(t, ben, "echo")
	for _, peer := range []string{"ben", "Ben", ben.ID().String(), ben.ID().Grouped()} {
		conn, err := ada.Dial(t.Context(), peer, "echo")
		if err != nil {
			t.Fatalf("dial %q: %v", peer, err)
		}
		if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
			t.Errorf("dial %q: echo %q, %v", peer, answer, err)
		}
		if conn.Peer() != ben.ID() || conn.PeerName() != "ben" || conn.Path().Kind != bodkin.Direct {
			t.Errorf("dial %q: peer %s %q, path %v", peer, conn.Peer().Short(), conn.PeerName(), conn.Path())
		}
		if s := conn.Stats(); s.BytesIn != 5 || s.BytesOut != 5 || s.SessionIn < s.BytesIn || s.SessionOut < s.BytesOut || s.Repeated != 0 {
			t.Errorf("dial %q: stats %+v", peer, s)
		}
		conn.Close()
	}
}

func TestWrongTurnsAreToldApart(t *testing.T) {
	invite := loopbackServer(t)
	otherRoom := loopbackServer(t)
	otherRoom.Servers, otherRoom.Server = invite.Servers, invite.Server
	wrongKey := loopbackServer(t)
	wrongKey.Servers = invite.Servers
	nowhere := invite
	nowhere.Servers = []string{closedPort(t)}
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	ben := joinRoom(t, invite, bodkin.Config{Name: "ben"})
	if _, err := ben.Listen("taken"); err != nil {
		t.Fatal(err)
	}
	dialOnly := joinRoom(t, invite, bodkin.Config{Name: "eve", DialOnly: true})
	stranger := func() string {
		key, err := bodkin.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		return key.NodeID().String()
	}()

	join := func(c bodkin.Config) error {
		node, err := bodkin.Join(t.Context(), c)
		if err == nil {
			node.Close()
		}
		return err
	}
	dial := func(peer, service string) error {
		conn, err := ada.Dial(t.Context(), peer, service)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
		return err
	}
	for name, c := range map[string]struct {
		got  error
		want error
	}{
		"no invite":                 {join(bodkin.Config{}), nil},
		"impossible name":           {join(bodkin.Config{Invite: invite, Name: "Not a name"}), nil},
		"room of another server":    {join(bodkin.Config{Invite: otherRoom, Name: "ada"}), bodkin.ErrRefused},
		"server with another key":   {join(bodkin.Config{Invite: wrongKey, Name: "ada"}), bodkin.ErrServerUnreachable},
		"no server":                 {join(bodkin.Config{Invite: nowhere, Name: "ada"}), bodkin.ErrServerUnreachable},
		"name of another node":      {join(bodkin.Config{Invite: invite, Name: "ben"}), bodkin.ErrRefused},
		"peer that is not there":    {dial("nobody", "echo"), bodkin.ErrPeerUnavailable},
		"peer with an unknown id":   {dial(stranger, "echo"), bodkin.ErrPeerUnavailable},
		"peer that only dials":      {dial("eve", "echo"), bodkin.ErrPeerUnavailable},
		"mistyped id":               {dial(strings.Replace(stranger, "node1", "node1q", 1), "echo"), nil},
		"service nobody listens on": {dial("ben", "nothing"), bodkin.ErrServiceUnknown},
		"service that is taken":     {second(ben.Listen("taken")), bodkin.ErrServiceTaken},
		"listening without calls":   {second(dialOnly.Listen("x")), bodkin.ErrDialOnly},
	} {
		if c.got == nil || c.want != nil && !errors.Is(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// closedPort is a loopback address on which nobody listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestNodesThatDialEachOtherShareOneSession(t *testing.T) {
	invite := loopbackServer(t)
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	ben := joinRoom(t, invite, bodkin.Config{Name: "ben"})
	echo(t, ada, "echo")
	echo(t, ben, "echo")
	const each = 10
	errs := make(chan error, 2*each)
	for range each {
		for from, to := range map[*bodkin.Node]string{ada: "ben", ben: "ada"} {
			go func() {
				conn, err := from.Dial(t.Context(), to, "echo")
				if err == nil {
					_, err = say(conn, "hi")
					conn.Close()
				}
				errs <- err
			}()
		}
	}
	for range 2 * each {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestManyCommandsOfOneNodeDialAtOnce(t *testing.T) {
	invite := loopbackServer(t)
	key, err := bodkin.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	primary := joinRoom(t, invite, bodkin.Config{Name: "ada", Key: key})
	ben := joinRoom(t, invite, bodkin.Config{Name: "ben"})
	echo(t, primary, "echo")
	echo(t, ben, "echo")
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			command := joinRoom(t, invite, bodkin.Config{Name: "ada", Key: key, DialOnly: true})
			conn, err := command.Dial(t.Context(), "ben", "echo")
			if err != nil {
				t.Error(err)
				return
			}
			if answer, err := say(conn, "x"); answer != "x" || err != nil {
				t.Errorf("echo %q, %v", answer, err)
			}
		})
	}
	all.Wait()
	// Links from commands must not be taken for links to the node that listens.
	conn, err := ben.Dial(t.Context(), "ada", "echo")
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := say(conn, "back"); answer != "back" || err != nil {
		t.Errorf("echo %q, %v", answer, err)
	}
}

// TestARestartedNodeConnectsAtOnceFromTheSamePorts wants one round. Where the machine stands still over the handshake the server begins
// another, which a port that is not free makes it do each time.
func TestARestartedNodeConnectsAtOnceFromTheSamePorts(t *testing.T) {
	invite := loopbackServer(t)
	adaKey, benKey := must(bodkin.NewKey()), must(bodkin.NewKey())
	var adaPort, benPort uint16
	start := func() error {
		ada := joinRoom(t, invite, bodkin.Config{Name: "ada", Key: adaKey, Port: adaPort})
		ben := joinRoom(t, invite, bodkin.Config{Name: "ben", Key: benKey, Port: benPort})
		defer func() {
			ada.Close()
			ben.Close()
		}()
		adaPort, benPort = ada.Port(), ben.Port()
		ping, err := ada.Ping(t.Context(), "ben")
		if err != nil {
			t.Error(err)
			return err
		}
		if ping.Timing.Rounds != 1 {
			return fmt.Errorf("%d rounds, want 1", ping.Timing.Rounds)
		}
		return nil
	}
	start()
	for range 3 {
		stopwatch.Met(t, start)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestWatchTellsWhoComesLinksAndGoes(t *testing.T) {
	invite := loopbackServer(t)
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	joinRoom(t, invite, bodkin.Config{Name: "early"})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var told []string
	var ben *bodkin.Node
	for event, err := range ada.Watch(ctx) {
		if err != nil {
			t.Fatalf("after %v: %v", told, err)
		}
		told = append(told, strings.TrimSpace(event.Kind.String()+" "+event.Peer.Name))
		switch told[len(told)-1] {
		case "current":
			ben = joinRoom(t, invite, bodkin.Config{Name: "ben"})
		case "joined ben":
			if _, err := ada.Ping(ctx, "ben"); err != nil {
				t.Fatal(err)
			}
		case "linked ben":
			ben.Close()
		}
		if n := len(told); n >= 6 || n >= 2 && strings.Contains(strings.Join(told, ","), "left ben") && strings.Contains(strings.Join(told, ","), "unlinked ben") {
			break
		}
	}
	got := strings.Join(told, ", ")
	for _, want := range []string{"joined early, current, joined ben, linked ben", "left ben", "unlinked ben"} {
		if !strings.Contains(got, want) {
			t.Errorf("told %q, want %q in it", got, want)
		}
	}
}

func TestMeshLinksEveryoneAndOutlivesTheServer(t *testing.T) {
	invite, stop := startServer(t, t.TempDir(), "127.0.0.1:0", "127.0.0.1:0")
	const size = 4
	var nodes []*bodkin.Node
	for i := range size {
		node := joinRoom(t, invite, bodkin.Config{Name: fmt.Sprintf("n%d", i), Mesh: true})
		echo(t, node, "echo")
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		awaitLinks(t, node, size-1)
	}
	stop()
	for i, from := range nodes {
		for j := range nodes {
			if i == j {
				continue
			}
			conn, err := from.Dial(t.Context(), fmt.Sprintf("n%d", j), "echo")
			if err != nil {
				t.Fatalf("n%d to n%d without the server: %v", i, j, err)
			}
			if answer, err := say(conn, "mesh"); answer != "mesh" || err != nil {
				t.Errorf("n%d to n%d: echo %q, %v", i, j, answer, err)
			}
		}
	}
}

// awaitLinks waits until node is linked with count peers.
func awaitLinks(t *testing.T, node *bodkin.Node, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	linked := map[string]bool{}
	for event, err := range node.Watch(ctx) {
		if err != nil {
			t.Fatalf("%s is linked with %v: %v", node.Name(), linked, err)
		}
		if event.Kind == bodkin.Linked {
			linked[event.Peer.Name] = true
		}
		if len(linked) == count {
			return
		}
	}
}

func TestNodesFindARestartedServer(t *testing.T) {
	home := t.TempDir()
	invite, stop := startServer(t, home, "127.0.0.1:0", "127.0.0.1:0")
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	stop()
	ben := make(chan *bodkin.Node, 1)
	go func() {
		node, err := bodkin.Join(t.Context(), bodkin.Config{Invite: invite, Name: "ben", Patient: true, NoPortMapping: true})
		if err != nil {
			t.Error(err)
		}
		ben <- node
	}()
	startServer(t, home, invite.Servers[0], "127.0.0.1:0")
	node := <-ben
	if node == nil {
		return
	}
	defer node.Close()
	echo(t, node, "echo")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for { // ada may be on its way back still
		conn, err := ada.Dial(ctx, "ben", "echo")
		if errors.Is(err, bodkin.ErrServerUnreachable) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := say(conn, "again"); answer != "again" || err != nil {
			t.Errorf("echo %q, %v", answer, err)
		}
		return
	}
}

func TestClosedThingsSaySo(t *testing.T) {
	invite := loopbackServer(t)
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	listener, err := ada.Listen("x")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() { _, err := listener.Accept(); accepted <- err }()
	if err := ada.Close(); err != nil {
		t.Error(err)
	}
	ada.Close()
	_, dialErr := ada.Dial(t.Context(), "ben", "x")
	_, listenErr := ada.Listen("y")
	_, peersErr := ada.Peers(t.Context())
	for name, err := range map[string]error{
		"Accept": <-accepted, "Dial": dialErr, "Listen": listenErr, "Err": ada.Err(), "Peers": peersErr,
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: got %v, want net.ErrClosed", name, err)
		}
	}
}

func TestANewerPrimaryEndsTheOlder(t *testing.T) {
	invite := loopbackServer(t)
	key := must(bodkin.NewKey())
	old := joinRoom(t, invite, bodkin.Config{Name: "ada", Key: key})
	joinRoom(t, invite, bodkin.Config{Name: "ada", Key: key})
	select {
	case <-old.Done():
		var refused *bodkin.RefusedError
		if err := old.Err(); !errors.As(err, &refused) || refused.Reason != bodkin.RefusedReplaced {
			t.Errorf("got %v, want a refusal: replaced", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the older one runs on")
	}
}

func TestALargeTransferArrivesWhole(t *testing.T) {
	invite := loopbackServer(t)
	ada := joinRoom(t, invite, bodkin.Config{Name: "ada"})
	ben := joinRoom(t, invite, bodkin.Config{Name: "ben"})
	listener, err := ben.Listen("sink")
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	received := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- -1
			return
		}
		n, _ := io.Copy(io.Discard, conn)
		received <- n
		conn.Close()
	}()
	conn, err := ada.Dial(t.Context(), "ben", "sink")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := io.Copy(conn, io.LimitReader(zeros{}, size)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := <-received; got != size {
		t.Errorf("got %d bytes, want %d", got, size)
	}
	t.Logf("%.0f MiB/s over loopback", size/(1<<20)/time.Since(start).Seconds())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
