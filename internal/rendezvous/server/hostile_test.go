package server_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A misdeed is a way to be hostile. It does its worst on conn and tells which answer it got, if any. The connection is then
// watched until the server ends it.
type misdeed struct {
	name string
	do   func(h *hostile, conn net.Conn) (answer string)
}

// hostile is what misdeeds need to know.
type hostile struct {
	server       identity.ServerID
	room, closed identity.Room // served, and not
	stop         context.Context
}

var misdeeds = []misdeed{
	{"port scanner", func(h *hostile, conn net.Conn) string { conn.Close(); return "" }},
	{"silence", func(h *hostile, conn net.Conn) string { return "" }},
	{"garbage", func(h *hostile, conn net.Conn) string {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bodkin\r\n\r\n")
		return ""
	}},
	{"half a ClientHello", func(h *hostile, conn net.Conn) string {
		conn.Write(append([]byte("\x16\x03\x01\x06\x00\x01\x00\x05\xfc\x03\x03"), make([]byte, 200)...))
		return ""
	}},
	{"one byte a second", func(h *hostile, conn net.Conn) string {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for _, b := range append([]byte("\x16\x03\x01\x06\x00\x01\x00\x05\xfc\x03\x03"), make([]byte, 100)...) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return ""
			}
			select {
			case <-ticker.C:
			case <-h.stop.Done():
				return ""
			}
		}
		return ""
	}},
	{"key without a room", func(h *hostile, conn net.Conn) string {
		secure := tls.Client(conn, &tls.Config{Certificates: []tls.Certificate{selfSigned()}, InsecureSkipVerify: true, NextProtos: []string{identity.ServerProtocol}})
		if secure.Handshake() != nil {
			return ""
		}
		_, err := secure.Read(make([]byte, 1))
		if alert := (*net.OpError)(nil); errors.As(err, &alert) && alert.Op == "remote error" {
			return alert.Err.Error()
		}
		return ""
	}},
	{"room not served", func(h *hostile, conn net.Conn) string { return h.register(conn, h.closed).refusal() }},
	{"TLS, then silence", func(h *hostile, conn net.Conn) string {
		tls.Client(conn, h.config(h.room)).Handshake()
		return ""
	}},
	{"half a message", func(h *hostile, conn net.Conn) string {
		n := h.register(conn, h.room)
		n.conn.Write([]byte("\xf0\x01half"))
		return n.refusal()
	}},
	{"message of 1 MiB", func(h *hostile, conn net.Conn) string {
		n := h.register(conn, h.room)
		n.conn.Write(append([]byte("\x80\x80\x40"), make([]byte, 64<<10)...))
		return n.refusal()
	}},
	{"flood of pings", func(h *hostile, conn net.Conn) string {
		n := h.register(conn, h.room)
		ping := must(wire.Append(nil, &wire.ClientMessage{Body: &wire.ClientMessage_Ping{Ping: &wire.Ping{}}}))
		for range 3000 {
			if _, err := n.conn.Write(ping); err != nil {
				break
			}
		}
		return n.refusal()
	}},
}

func (h *hostile) config(room identity.Room) *tls.Config {
	return must(identity.NodeConfig(must(identity.NewKey()), room, h.server, nil))
}

// register makes a node of conn, as well as it goes.
func (h *hostile) register(conn net.Conn, room identity.Room) *plainNode {
	key := must(identity.NewKey())
	n := newPlainNode(tls.Client(conn, must(identity.NodeConfig(key, room, h.server, nil))), key)
	n.register(room, true)
	return n
}

// refusal reads up to the server's last words.
func (n *plainNode) refusal() string {
	for {
		m, err := n.receive()
		if err != nil {
			return ""
		}
		if r := m.GetRefused(); r != nil {
			return r.Code.String()
		}
	}
}

func selfSigned() tls.Certificate {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	return tls.Certificate{Certificate: [][]byte{must(x509.CreateCertificate(rand.Reader, template, template, public, private))}, PrivateKey: private}
}

// TestThousandHostileConnections opens 1,000 connections at once, each from an address of its own, that do what strangers may do,
// while ten nodes go on being introduced and one more joins. It prints what became of them all.
func TestThousandHostileConnections(t *testing.T) {
	room, closed := must(identity.NewRoom()), must(identity.NewRoom())
	const many = 1 << 20
	ping := 2 * time.Second // silence of 6 s is an end
	if raceDetector {
		ping = 5 * time.Second
	}
	s := startProcess(t, server.Limits{HandshakeTimeout: 2 * time.Second, RegisterTimeout: 2 * time.Second, PingInterval: ping,
		DialsPerSecond: many, DialsPerMinute: many, MessagesPerSecond: 200}, []identity.RoomID{room.ID()})
	place := &site{main: s.addr, server: nil}
	place.id = s.id
	var pairs [][2]*node
	for i := range 5 {
		pairs = append(pairs, [2]*node{
			place.joined(t, person{room: room, name: fmt.Sprint("dialer", i), source: "127.0.0.2"}),
			place.joined(t, person{room: room, name: fmt.Sprint("callee", i), source: "127.0.0.2"}),
		})
	}
	calm := s.usage(t, "rest")
	quiet := introduceFor(t, pairs, time.Second)

	stop, cancel := context.WithCancel(context.Background())
	defer cancel()
	h := &hostile{server: s.id, room: room, closed: closed, stop: stop}
	type fate struct {
		misdeed int
		answer  string
		took    time.Duration
	}
	fates := make(chan fate, 1000)
	var attack sync.WaitGroup
	for i := range 1000 {
		attack.Go(func() {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(i%250+1))}, Timeout: patience}
			began := time.Now()
			conn, err := dialer.Dial("tcp", s.addr)
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(2 * patience))
			answer := misdeeds[i%len(misdeeds)].do(h, conn)
			_, err = io.Copy(io.Discard, conn)
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%s: still open after %v", misdeeds[i%len(misdeeds)].name, 2*patience)
			}
			fates <- fate{i % len(misdeeds), answer, time.Since(began)}
		})
	}
	attacked := make(chan struct{})
	go func() { attack.Wait(); close(fates); close(attacked) }()
	joining := time.Now()
	newcomer := place.join(t, person{room: room, name: "newcomer", source: "127.0.0.3"})
	for _, err := newcomer.Registered(deadline(t)); err != nil; _, err = newcomer.Registered(deadline(t)) {
		if !errors.Is(err, rendezvous.ErrUnreachable) { // it may have to come again
			t.Fatal(err)
		}
	}
	joined := time.Since(joining)
	peak := s.usage(t, "now")
	var busy []time.Duration
	for isOver := false; !isOver; {
		busy = append(busy, introduceFor(t, pairs, 500*time.Millisecond)...)
		if u := s.usage(t, "now"); u.RSS > peak.RSS {
			peak = u
		}
		select {
		case <-attacked:
			isOver = true
		default:
		}
	}

	count, longest, answers := make([]int, len(misdeeds)), make([]time.Duration, len(misdeeds)), make([]map[string]int, len(misdeeds))
	for f := range fates {
		count[f.misdeed]++
		longest[f.misdeed] = max(longest[f.misdeed], f.took)
		if answers[f.misdeed] == nil {
			answers[f.misdeed] = map[string]int{}
		}
		answers[f.misdeed][f.answer]++
	}
	t.Logf("%-20s %5s %12s  %s", "misdeed", "conns", "all ended in", "answers")
	for i, m := range misdeeds {
		t.Logf("%-20s %5d %12v  %v", m.name, count[i], longest[i].Round(time.Millisecond), answers[i])
	}
	slices.Sort(quiet)
	slices.Sort(busy)
	t.Logf("introductions before: %d, median %v, p99 %v; meanwhile: %d, median %v, p99 %v", len(quiet), quiet[len(quiet)/2], quiet[len(quiet)*99/100],
		len(busy), busy[len(busy)/2], busy[len(busy)*99/100])
	t.Logf("newcomer registered in %v", joined.Round(time.Millisecond))
	after := s.usage(t, "rest")
	t.Logf("server memory: before %d KiB, peak %d KiB, after %d KiB; connections after: %d", calm.RSS>>10, peak.RSS>>10, after.RSS>>10, after.Stats.Connections)
	bound := int64(64 << 20)
	if raceDetector {
		bound *= 8
	}
	if growth := peak.RSS - calm.RSS; growth > bound {
		t.Errorf("1,000 hostile connections cost %d MiB", growth>>20)
	}
	if after.Stats.Nodes != 11 {
		t.Errorf("%d nodes are left, want the 11 good ones", after.Stats.Nodes)
	}
	if joined > 15*time.Second {
		t.Errorf("a newcomer had to wait for %v", joined)
	}
}

// introduceFor has the first of each pair dial the second, again and again, for the time of d.
func introduceFor(t *testing.T, pairs [][2]*node, d time.Duration) (took []time.Duration) {
	t.Helper()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-pause.C {
		for _, p := range pairs {
			began := time.Now()
			i, err := p[0].Introduce(deadline(t), rendezvous.ByNode(p[1].id))
			if err != nil {
				t.Fatalf("a good node is not introduced: %v", err)
			}
			if other := receive(t, p[1].introduced); other.Attempt != i.Attempt {
				t.Fatal("the other side got another attempt")
			}
			took = append(took, time.Since(began))
			receive(t, p[0].introduced)
			p[0].Finished(i.Attempt, 1, rendezvous.DirectCarrier)
		}
	}
	return took
}
