//go:build !race

// Under the race detector a day takes 16 s, most of the time that the whole suite has.

package bodkin

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/memnet"
)

var days = flag.Int("days", 1, "days that TestSessionsLastForDays plays; make soak plays seven")

// A diary is two nodes whose networks change every few minutes, and a stream between them.
type diary struct {
	t         *testing.T
	random    *rand.Rand
	network   *memnet.Network
	server    *memoryServer
	hosts     [2]*memnet.Host
	nodes     [2]*Node
	ends      [2]*Conn
	sent      uint64 // words in each direction on this stream
	words     uint64 // on all
	sessions  int
	addresses int
	besides   int // carriers that were made beside others
	changes   map[string]int
}

// TestSessionsLastForDays plays days of network changes, each some minutes after the other, and expects that every word comes once and in
// order, that a session which ended is made anew, and that nothing piles up: at the end of each day there are as many goroutines and open
// ends of connections as at the end of the first hour. Nodes, sessions, rendezvous server and relay are the real ones. In memory are the sockets and what
// the machine tells of its network; port mapping and discovery on the link are off.
func TestSessionsLastForDays(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "")
	}
	began, seed := time.Now(), rand.Uint64()
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(25 * time.Millisecond)
		d := &diary{t: t, random: rand.New(rand.NewPCG(seed, 0)), network: network, changes: map[string]int{}}
		d.server = newMemoryServer(t, network.Host(netip.MustParseAddr("203.0.113.10"), false))
		d.server.start(t)
		for i, name := range []string{"ada", "ben"} {
			d.hosts[i] = network.Host(d.newAddr(), true)
			node, err := Join(t.Context(), Config{Invite: d.server.invite(), Name: name, NoPortMapping: true, NoLAN: true, Connections: 8, system: memory{d.hosts[i]}})
			if err != nil {
				t.Fatal(err)
			}
			d.nodes[i] = node
		}
		d.dial()
		start := time.Now()
		d.until(start.Add(time.Hour))
		first := d.rest()
		for day := range *days {
			d.until(start.Add(time.Duration(day+1) * 24 * time.Hour))
			now := d.rest()
			t.Logf("day %d: %d changes, %d sessions, %d words each way; %+v", day+1, d.count(), d.sessions, d.words, now)
			if now.goroutines > first.goroutines || now.ends > first.ends || now.relays > 0 {
				t.Errorf("seed %d, after day %d there is %+v, after the first hour there was %+v", seed, day+1, now, first)
			}
			if now.heap > first.heap+16<<20 {
				t.Errorf("seed %d, after day %d the heap holds %d KiB, after the first hour %d KiB", seed, day+1, now.heap>>10, first.heap>>10)
			}
		}
		d.hosts[0].Cut(true)
		time.Sleep(10 * time.Minute) // the last session ends as well. One that has a path says goodbye under a mutex, and this clock waits for none
		for i := range d.nodes {
			d.ends[i].Abort()
			d.nodes[i].Close()
		}
		d.server.stop()
		time.Sleep(time.Minute) // what is on the way arrives nowhere
		if n := network.Open(); n != 0 {
			t.Errorf("seed %d: %d ends of connections are open after everything was closed", seed, n)
		}
		t.Logf("%v; %d carriers beside others", d.changes, d.besides)
		if d.besides == 0 {
			t.Error("no session had several carriers")
		}
	})
	t.Logf("%d days in %v", *days, time.Since(began).Round(time.Millisecond))
}

func (d *diary) newAddr() netip.Addr {
	d.addresses++
	return netip.AddrFrom4([4]byte{198, 51, byte(d.addresses >> 8), byte(d.addresses)})
}

// dial opens the stream, for the first time or in a new session.
func (d *diary) dial() {
	d.t.Helper()
	listener, err := d.nodes[1].Listen("words")
	if err != nil {
		d.t.Fatal(err)
	}
	defer listener.Close()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(time.Second) {
		if d.ends[0], err = d.nodes[0].Dial(d.t.Context(), "ben", "words"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("no session for ten minutes: %v", err)
		}
	}
	if _, err := d.ends[0].Write([]byte{0}); err != nil {
		d.t.Fatal(err)
	}
	if d.ends[1], err = listener.AcceptConn(); err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.ReadFull(d.ends[1], make([]byte, 1)); err != nil {
		d.t.Fatal(err)
	}
	d.sent = 0
	d.sessions++
}

// until lets the network change every few minutes until a time.
func (d *diary) until(end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(2*time.Minute + time.Duration(d.random.Int64N(int64(6*time.Minute))))
		change := upheavals[d.random.IntN(len(upheavals))]
		d.changes[change.name]++
		d.besides += d.beside(d.random.IntN(3))
		change.do(d)
		if err := d.exchange(); err != nil {
			d.t.Fatalf("after %q, at %v: %v", change.name, time.Now(), err)
		}
	}
}

// beside makes further carriers for the session, beside that in use, which the change then finds. It tells how many there are: none
// without a direct way.
func (d *diary) beside(want int) (made int) {
	l := d.nodes[0].links.to(target{name: "ben"})
	for l != nil && made < want && d.nodes[0].another(d.t.Context(), l, true) == nil {
		made++
	}
	return made
}

// exchange sends words both ways and expects them. A session that the change was to end is made anew.
func (d *diary) exchange() error {
	const words = 64
	errs := make(chan error, 4)
	for i := range d.ends {
		go func() { errs <- d.say(d.ends[i], words) }()
		go func() { errs <- d.hear(d.ends[1-i], words) }()
	}
	timeout := time.AfterFunc(15*time.Minute, func() { d.ends[0].Abort(); d.ends[1].Abort() })
	defer timeout.Stop()
	var failure error
	for range cap(errs) {
		if err := <-errs; err != nil && failure == nil {
			failure = err
			d.ends[0].Abort()
			d.ends[1].Abort()
		}
	}
	if failure != nil {
		return failure
	}
	d.sent += words
	d.words += words
	return nil
}

func (d *diary) say(conn *Conn, words uint64) error {
	var text []byte
	for word := range words {
		text = binary.BigEndian.AppendUint64(text, d.sent+word)
	}
	_, err := conn.Write(text)
	return err
}

func (d *diary) hear(conn *Conn, words uint64) error {
	var word [8]byte
	for want := range words {
		if _, err := io.ReadFull(conn, word[:]); err != nil {
			return err
		}
		if got := binary.BigEndian.Uint64(word[:]); got != d.sent+want {
			return fmt.Errorf("word %d came where %d was to", got, d.sent+want)
		}
	}
	return nil
}

// upheavals are what happens to networks.
var upheavals = []struct {
	name string
	do   func(*diary)
}{
	{"another network", func(d *diary) { d.either().Move(d.newAddr()) }},
	{"both on other networks", func(d *diary) { d.hosts[0].Move(d.newAddr()); d.hosts[1].Move(d.newAddr()) }},
	{"NAT rebooted", func(d *diary) { d.either().Silence() }},
	{"connections reset", func(d *diary) { d.either().Reset() }},
	{"link cut for seconds", func(d *diary) { d.cut(time.Duration(1+d.random.IntN(40)) * time.Second) }},
	{"link cut for minutes", func(d *diary) { d.cut(time.Duration(60+d.random.IntN(180)) * time.Second) }},
	{"link cut for longer than a session waits", (*diary).outlast},
	{"server restarted", func(d *diary) {
		d.server.stop()
		time.Sleep(time.Duration(1+d.random.IntN(20)) * time.Second)
		d.server.start(d.t)
	}},
	{"no direct way", func(d *diary) { d.block(true); d.hosts[0].Silence() }},
	{"a direct way again", func(d *diary) { d.block(false) }},
}

// outlast cuts the link until the session is over, and makes a new one.
func (d *diary) outlast() {
	d.cut(7 * time.Minute)
	d.ends[0].Close()
	d.ends[1].Close()
	d.dial()
}

func (d *diary) either() *memnet.Host { return d.hosts[d.random.IntN(2)] }

func (d *diary) block(cut bool) { d.network.Block(d.hosts[0], d.hosts[1], cut) }

func (d *diary) cut(length time.Duration) {
	h := d.either()
	h.Cut(true)
	time.Sleep(length)
	h.Cut(false)
}

func (d *diary) count() (n int) {
	for _, times := range d.changes {
		n += times
	}
	return n
}

// A holding is what the process holds while nothing happens.
type holding struct {
	goroutines, ends int
	relays           int // of which the end may still be told
	heap             uint64
}

func (t *relays) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.over)
}

// rest waits until the only session has been direct for a while, and counts. Two nodes that begin a session at the same moment may have two, each of
// which lasts until it has no path for long.
func (d *diary) rest() holding {
	d.t.Helper()
	d.block(false)
	for tries := 0; len(d.nodes[0].links.all()) != 1 || len(d.nodes[1].links.all()) != 1; tries++ {
		if tries == 10 {
			d.t.Fatalf("there are %d and %d sessions", len(d.nodes[0].links.all()), len(d.nodes[1].links.all()))
		}
		d.outlast()
		time.Sleep(10 * time.Minute)
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Hour)
	defer cancel()
	for d.ends[0].Path().Kind != Direct || d.ends[1].Path().Kind != Direct {
		time.Sleep(time.Second)
		if ctx.Err() != nil {
			d.t.Fatalf("not direct for an hour: %+v", d.ends[0].Path())
		}
	}
	time.Sleep(15 * time.Minute)
	synctest.Wait()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return holding{runtime.NumGoroutine(), d.network.Open(), d.nodes[0].relays.count() + d.nodes[1].relays.count(), memory.HeapAlloc}
}
