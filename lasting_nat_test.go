package bodkin_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// A flow is one direction of a stream that numbers its words: whatever is lost, repeated or out of place is seen at once.
type flow struct {
	words atomic.Int64 // that came
	held  atomic.Bool
	mu    sync.Mutex
	last  time.Time     // when words came last
	gap   time.Duration // the longest time without
	err   error
}

// flood writes numbers until the connection ends. It keeps quiet while the flow is held.
func (f *flow) flood(conn net.Conn, pause time.Duration) {
	block := make([]byte, 8<<10)
	for word := uint64(0); ; {
		if f.held.Load() {
			<-time.After(pause)
			continue
		}
		for i := 0; i < len(block); i += 8 {
			binary.BigEndian.PutUint64(block[i:], word)
			word++
		}
		if _, err := conn.Write(block); err != nil {
			f.fail(err)
			return
		}
		if pause > 0 {
			<-time.After(pause)
		}
	}
}

// check reads numbers until the connection ends.
func (f *flow) check(conn net.Conn) {
	block := make([]byte, 8<<10)
	for want := uint64(0); ; {
		n, err := io.ReadAtLeast(conn, block, 8)
		if err == nil && n%8 != 0 {
			_, err = io.ReadFull(conn, block[n:n+8-n%8])
			n += 8 - n%8
		}
		if err != nil {
			f.fail(err)
			return
		}
		for i := 0; i < n; i += 8 {
			if got := binary.BigEndian.Uint64(block[i:]); got != want {
				f.fail(errors.New("a word is lost, repeated or out of place"))
				return
			}
			want++
		}
		now := time.Now()
		f.mu.Lock()
		if !f.last.IsZero() {
			f.gap = max(f.gap, now.Sub(f.last))
		}
		f.last = now
		f.mu.Unlock()
		f.words.Store(int64(want))
	}
}

func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *flow) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// newGap begins to measure the longest gap anew, and returns the one until now.
func (f *flow) newGap() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	gap := f.gap
	f.gap = 0
	return gap
}

// A couple is two nodes and a stream between them that carries numbers both ways.
type couple struct {
	*world
	near, far home
	a, b      *bodkin.Node
	conn      *bodkin.Conn
	flows     [2]*flow // to b, to a
	moves     int
}

// newCouple makes two nodes and has them talk, at 13 Mbit/s.
func newCouple(t *testing.T, w *world, near, far home, config bodkin.Config) *couple {
	t.Helper()
	return newPacedCouple(t, w, near, far, config, [2]time.Duration{5 * time.Millisecond, 5 * time.Millisecond})
}

// newPacedCouple has them talk with a pause after each 8 KiB to the far one, and after each to the near one.
func newPacedCouple(t *testing.T, w *world, near, far home, config bodkin.Config, pauses [2]time.Duration) *couple {
	t.Helper()
	c := &couple{world: w, near: near, far: far}
	config.Name = "ada"
	c.a = w.join(t, near, config)
	config.Name = "ben"
	c.b = w.join(t, far, config)
	listener, err := c.b.Listen("flow")
	if err != nil {
		t.Fatal(err)
	}
	if c.conn, err = c.a.Dial(t.Context(), "ben", "flow"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write([]byte("go")); err != nil {
		t.Fatal(err)
	}
	other, err := listener.AcceptConn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(other, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for i, ends := range [2][2]net.Conn{{c.conn, other}, {other, c.conn}} {
		f := new(flow)
		c.flows[i] = f
		work.Go(func() { f.flood(ends[0], pauses[i]) })
		work.Go(func() { f.check(ends[1]) })
	}
	t.Cleanup(func() {
		c.conn.Close()
		other.Close()
		work.Wait()
	})
	c.goesOn(t)
	return c
}

// goesOn waits until bytes have come both ways that were written after now, and returns the longest gap since the last time.
func (c *couple) goesOn(t *testing.T) time.Duration {
	t.Helper()
	const words = 20 * 1024 // 100 ms worth of writing, and more than is on the way
	var want [2]int64
	for i, f := range c.flows {
		want[i] = f.words.Load() + words
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(60 * time.Second)
	for range tick.C {
		done := true
		for i, f := range c.flows {
			if err := f.failure(); err != nil {
				t.Fatalf("flow %d: after %d words: %v", i, f.words.Load(), err)
			}
			done = done && f.words.Load() >= want[i]
		}
		if done {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no bytes came for a minute; the path is %+v", c.conn.Path())
		}
	}
	return max(c.flows[0].newGap(), c.flows[1].newGap())
}

// becomesDirect waits until the path is direct. Where the machine stands still during the punch, the relay comes first.
func (c *couple) becomesDirect(t *testing.T) {
	t.Helper()
	if c.follows(bodkin.Direct, time.Minute); c.conn.Path().Kind != bodkin.Direct {
		t.Fatalf("path is %+v, want direct", c.conn.Path())
	}
}

// reset sends one end or both a reset in the other's name, until a carrier has died of it: a reset only counts if it is in sequence.
// If none is, the NAT forgets its mappings instead, and the log says so.
// While they are relayed it kills the relay instead, whose connections the lab does not know.
func (c *couple) reset(t *testing.T, both bool) {
	t.Helper()
	if c.conn.Path().Kind == bodkin.Relayed {
		c.stop()
		c.start(t, c.config)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	moved := make(chan struct{})
	watching := make(chan struct{})
	linked := sync.OnceFunc(func() { close(watching) })
	go func() {
		defer close(moved)
		defer linked()
		for event := range c.a.Watch(ctx) {
			if event.Kind == bodkin.Linked {
				linked() // a new session may follow
			}
			if event.Kind == bodkin.Moved {
				return
			}
		}
	}()
	<-watching
	defer func() { cancel(); <-moved }()
	// What is on the way would come before the reset, and put it out of sequence; so would the acknowledgment of it, a little later.
	for _, f := range c.flows {
		f.held.Store(true)
		defer f.held.Store(false)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		path := c.conn.Path()
		if path.Kind == bodkin.Relayed {
			return // an earlier reset has hit the next carrier, too
		}
		ada, ben := c.outside()
		strike := c.lab.Reset
		if both {
			strike = c.lab.ResetBoth
		}
		missed := strike(ben, ada) // fails while there is no path
		select {
		case <-tick.C:
		case <-moved:
			if ctx.Err() != nil { // on a busy machine there may always be something on the way
				t.Logf("no reset was in sequence, path %+v, last error %v: the NAT is rebooted instead", path, missed)
				ensure(t, c.near.nat.Reboot())
			}
			return
		}
	}
}

// outside is the two ends, as the internet sees them, of the connection between the nodes that carried a packet last. Its port at the dialer
// is not always the one that the server sees: where that is busy, another is used.
func (c *couple) outside() (ada, ben netip.AddrPort) {
	var newest time.Time
	for _, f := range c.lab.Flows() {
		if f.Network == "internet" && f.Protocol == "tcp" && f.From == c.near.nat.Name() && f.To == c.far.nat.Name() && f.Last.After(newest) {
			newest, ada, ben = f.Last, f.Src, f.Dst
		}
	}
	return ada, ben
}

// ensure fails the test at once where the lab fails.
func ensure(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A fault breaks the path under a couple.
type fault struct {
	name string
	do   func(*testing.T, *couple)
}

// quickFaults show themselves at once, slowFaults by silence alone.
var (
	quickFaults = []fault{
		{"reset at one end", func(t *testing.T, c *couple) { c.reset(t, false) }},
		{"reset at both ends", func(t *testing.T, c *couple) { c.reset(t, true) }},
		{"dialer moved to another NAT", func(t *testing.T, c *couple) {
			c.moves++
			c.near.nat = c.lab.NAT(fmt.Sprintf("cafe%d", c.moves), natlab.PortRestrictedCone())
			ensure(t, c.near.Move(c.near.nat))
			c.delays(c.near, c.far, delayAS, delayBS, delayAB) // they are those of NATs
		}},
		{"reset while the server is away for a second", func(t *testing.T, c *couple) {
			relayed := c.conn.Path().Kind == bodkin.Relayed // then the server is enough
			c.stop()
			if !relayed {
				c.reset(t, true)
			}
			<-time.After(time.Second)
			c.start(t, c.config)
		}},
	}
	slowFaults = []fault{
		{"NAT of the dialer rebooted", func(t *testing.T, c *couple) { ensure(t, c.near.nat.Reboot()) }},
		{"NAT of the callee rebooted", func(t *testing.T, c *couple) { ensure(t, c.far.nat.Reboot()) }},
		{"both NATs rebooted", func(t *testing.T, c *couple) { ensure(t, c.near.nat.Reboot()); ensure(t, c.far.nat.Reboot()) }},
		{"new address outside the dialer", func(t *testing.T, c *couple) { c.renumber(t, c.near) }},
		{"new address outside the callee", func(t *testing.T, c *couple) { c.renumber(t, c.far) }},
		{"link cut for two seconds", func(t *testing.T, c *couple) { c.cut(2 * time.Second) }},
		{"link cut for eight seconds", func(t *testing.T, c *couple) { c.cut(8 * time.Second) }},
	}
)

// renumber gives a home's NAT another address outside.
func (c *couple) renumber(t *testing.T, h home) {
	c.moves++
	ensure(t, h.nat.SetAddr(fmt.Sprintf("198.51.100.%d", 100+c.moves%100)))
}

func (c *couple) cut(d time.Duration) {
	c.lab.Cut(c.near)
	<-time.After(d)
	c.lab.Restore(c.near)
}

// conesFor makes a couple that can punch.
func conesFor(t *testing.T) *couple {
	w := newWorldOf(t, server.Config{})
	near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.Linux()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	pair := newCouple(t, w, near, far, bodkin.Config{})
	pair.becomesDirect(t)
	return pair
}

// TestStreamsGoOnThroughFaults breaks the path under a stream in every way the lab knows, and expects every byte once and in order.
// The couples wait most of the time, so all do at once.
func TestStreamsGoOnThroughFaults(t *testing.T) {
	var all sync.WaitGroup
	for _, f := range slices.Concat(quickFaults, slowFaults) {
		all.Go(func() {
			t.Run(f.name, func(t *testing.T) {
				c := conesFor(t)
				began := time.Now()
				f.do(t, c)
				gap := c.goesOn(t)
				t.Logf("longest gap %v, flowing again after %v, path %v", gap.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), c.conn.Path().Kind)
			})
		})
	}
	all.Wait()
}

var faultCount = flag.Int("faults", 30, "random faults in TestStreamsGoOnThroughManyFaults; with more than 30 of all kinds")

// TestStreamsGoOnThroughManyFaults has one fault after the other under the same streams.
func TestStreamsGoOnThroughManyFaults(t *testing.T) {
	const couples = 6
	seed := uint64(time.Now().UnixNano())
	choice := quickFaults
	if *faultCount > 30 {
		choice = slices.Concat(quickFaults, slowFaults)
	}
	var mu sync.Mutex
	gaps := map[string][]time.Duration{}
	var all sync.WaitGroup
	for i := range couples {
		all.Go(func() {
			t.Run(fmt.Sprintf("couple %d", i), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				c := conesFor(t)
				for n := range (*faultCount + couples - 1) / couples {
					f := choice[random.IntN(len(choice))]
					f.do(t, c)
					gap := c.goesOn(t)
					if t.Failed() {
						t.Fatalf("seed %d: fault %d, %s", seed, n, f.name)
					}
					mu.Lock()
					gaps[f.name] = append(gaps[f.name], gap)
					mu.Unlock()
				}
			})
		})
	}
	all.Wait()
	for name, all := range gaps {
		slices.Sort(all)
		t.Logf("%s: %d times, longest gap %v in the median, %v at most", name, len(all), all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
	}
}

// TestARelayedStreamGoesOnWhenItsServerIsRestarted kills the only path there is.
func TestARelayedStreamGoesOnWhenItsServerIsRestarted(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, server.Config{})
	near, far := behind(w.lab.NAT("near", natlab.Symmetric()), "a"), behind(w.lab.NAT("far", natlab.Symmetric()), "b")
	w.delays(near, far, delayAS, delayBS, delayAB)
	pair := newCouple(t, w, near, far, bodkin.Config{})
	began := time.Now()
	w.stop()
	w.start(t, w.config)
	gap := pair.goesOn(t)
	t.Logf("longest gap %v, flowing again after %v", gap.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if path := pair.conn.Path(); path.Kind != bodkin.Relayed {
		t.Errorf("path is %v, want relayed", path.Kind)
	}
}

// TestAStreamMovesFromTheRelayToADirectPath has the direct path appear under a stream. Other work on the machine can only
// lengthen a gap, so the best counts.
func TestAStreamMovesFromTheRelayToADirectPath(t *testing.T) {
	t.Parallel()
	limit := 2 * 2 * (delayAS + delayBS) // two round trips by the relay
	if raceDetector {
		limit *= 4
	}
	stopwatch.Within(t, limit, func() time.Duration {
		w := newWorldOf(t, server.Config{})
		near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
		w.delays(near, far, delayAS, delayBS, 7*time.Second) // too far for a punch
		pair := newCouple(t, w, near, far, bodkin.Config{})
		if path := pair.conn.Path(); path.Kind != bodkin.Relayed {
			t.Fatalf("path is %v, want relayed", path.Kind)
		}
		w.lab.SetDelay(near, far, delayAB)
		pair.goesOn(t)
		deadline := time.Now().Add(60 * time.Second)
		var recent [10]time.Duration // gaps of the last 200 ms: one end moves before the other, and what was before does not count
		for i := 0; pair.conn.Path().Kind != bodkin.Direct; i++ {
			if time.Now().After(deadline) {
				t.Fatal("never direct")
			}
			<-time.After(20 * time.Millisecond)
			recent[i%len(recent)] = max(pair.flows[0].newGap(), pair.flows[1].newGap())
		}
		gap := max(slices.Max(recent[:]), pair.goesOn(t))
		t.Logf("longest gap %v", gap.Round(time.Millisecond))
		return gap
	})
}
