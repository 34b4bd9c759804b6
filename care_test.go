//go:build !race

// It plays on memory_test.go's network, which the race detector makes slow.

package bodkin

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/memnet"
)

// virtualPair is two nodes with a session and a stream on a network in memory, whose time is virtual.
type virtualPair struct {
	network *memnet.Network
	hosts   [2]*memnet.Host
	nodes   [2]*Node
	ends    [2]*Conn
	server  *memoryServer
}

// playPair has two nodes meet, play, and leave.
func playPair(t *testing.T, play func(*virtualPair)) {
	t.Helper()
	playPairOn(t, true, play)
}

// playPairOn is playPair on hosts that let strangers in, unless they are guarded.
func playPairOn(t *testing.T, guarded bool, play func(*virtualPair)) {
	t.Helper()
	playIdlePair(t, guarded, func(t *testing.T, p *virtualPair) {
		p.ends = meet(t, p.nodes)
		play(p)
	})
}

// playIdlePair has two nodes come, play, and leave. If they have met by then, they leave their stream, too.
func playIdlePair(t *testing.T, guarded bool, play func(*testing.T, *virtualPair)) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "")
	}
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(25 * time.Millisecond)
		c := &virtualPair{network: network, server: newMemoryServer(t, network.Host(netip.MustParseAddr("203.0.113.10"), false))}
		c.server.start(t)
		for i, name := range []string{"ada", "ben"} {
			c.hosts[i] = network.Host(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)}), guarded)
			node, err := Join(t.Context(), Config{Invite: c.server.invite(), Name: name, NoPortMapping: true, NoLAN: true, system: memory{c.hosts[i]}})
			if err != nil {
				t.Fatal(err)
			}
			c.nodes[i] = node
		}
		play(t, c)
		c.hosts[0].Cut(true)
		time.Sleep(10 * time.Minute) // as at the end of TestSessionsLastForDays
		for i := range c.nodes {
			if c.ends[i] != nil {
				c.ends[i].Abort()
			}
			c.nodes[i].Close()
		}
		c.server.stop()
		time.Sleep(time.Minute) // what is on the way arrives nowhere
	})
}

// word sends one byte from ada to ben, and returns how long it took.
func (c *virtualPair) word(t *testing.T) time.Duration {
	begin := time.Now()
	if _, err := c.ends[0].Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ends[1].Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// TestAnIdleSessionLearnsHowOftenToSpeak has a network forget what is idle for 6 s. Within minutes the nodes speak often enough, and the
// session stays on its path.
func TestAnIdleSessionLearnsHowOftenToSpeak(t *testing.T) {
	playPair(t, func(c *virtualPair) {
		c.hosts[1].ForgetIdle(6 * time.Second)
		time.Sleep(10 * time.Minute)
		c.word(t)
		socket := c.nodes[0].links.all()[0].origin().socket
		for range 30 {
			time.Sleep(time.Minute)
			if took := c.word(t); took > 100*time.Millisecond {
				t.Errorf("a word took %v after a minute of silence", took)
			}
		}
		if l := c.nodes[0].links.all()[0]; l.origin().socket != socket {
			t.Error("the session has another path after half an hour")
		}
		for i, n := range c.nodes {
			t.Logf("node %d speaks every %v, the network forgets after 6 s", i, n.aging.keepAlive())
		}
		c.hosts[1].ForgetIdle(0)
	})
}

// TestAMachineThatWakesAsksItsPeersAtOnce has the path of an idle session die while the machine sleeps, right after a sign of life.
func TestAMachineThatWakesAsksItsPeersAtOnce(t *testing.T) {
	playPair(t, func(c *virtualPair) {
		time.Sleep(5 * time.Minute)
		c.word(t)
		time.Sleep(2 * time.Second)
		dead := c.nodes[0].links.all()[0].origin().socket
		c.hosts[0].Silence()
		begin := time.Now()
		c.hosts[0].Wake()
		for {
			if o := c.nodes[0].links.all()[0].origin(); o.path.Kind == Direct && o.socket != dead {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("a new path after %v", took)
		} else {
			t.Logf("a new path after %v", took)
		}
	})
}

// TestASessionIsBackSoonAfterItsNetwork cuts a link, for so long that dials have become rare, and kills the server under a session whose
// connection is reset.
func TestASessionIsBackSoonAfterItsNetwork(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(*testing.T, *virtualPair)
		bound time.Duration
	}{
		{"link cut for 2 s", func(_ *testing.T, p *virtualPair) { p.cut(2 * time.Second) }, 4 * time.Second},
		{"link cut for 60 s", func(_ *testing.T, p *virtualPair) { p.cut(time.Minute) }, 6 * time.Second},
		{"link cut for 4 min", func(_ *testing.T, p *virtualPair) { p.cut(4 * time.Minute) }, 6 * time.Second},
		{"all connections silent, new ones work", func(_ *testing.T, p *virtualPair) { p.hosts[0].Silence() }, 1350 * time.Millisecond},
		{"all connections silent, and both speak", func(t *testing.T, p *virtualPair) {
			back := func() {
				if _, err := p.ends[1].Write([]byte{1}); err != nil {
					t.Error(err)
				}
			}
			back()
			p.ends[0].Read(make([]byte, 1))
			time.Sleep(5 * time.Second) // both know how long an answer takes
			p.hosts[0].Silence()
			back()
		}, 900 * time.Millisecond},
		{"reset, and the server away for 1 s", func(t *testing.T, p *virtualPair) {
			p.server.stop()
			p.hosts[0].Reset()
			time.Sleep(time.Second)
			p.server.start(t)
		}, 6 * time.Second},
		{"reset, and the server away for 60 s", func(t *testing.T, p *virtualPair) {
			p.server.stop()
			p.hosts[0].Reset()
			time.Sleep(time.Minute)
			p.server.start(t)
		}, 6 * time.Second},
		{"reset, no direct way any more, and the server away for 1 s", func(t *testing.T, p *virtualPair) {
			p.server.stop()
			p.network.Block(p.hosts[0], p.hosts[1], true)
			p.hosts[0].Reset()
			time.Sleep(time.Second)
			p.server.start(t)
		}, 1900 * time.Millisecond},
		{"relayed, and the server away for 1 s", func(t *testing.T, p *virtualPair) {
			p.obstruct(t)
			time.Sleep(30 * time.Second)
			p.server.stop()
			time.Sleep(time.Second)
			p.server.start(t)
		}, 1100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			playPair(t, func(p *virtualPair) {
				time.Sleep(time.Minute)
				p.word(t)
				c.fault(t, p)
				took := p.word(t)
				t.Logf("a word took %v", took)
				if took > c.bound {
					t.Errorf("a word took %v, want at most %v", took, c.bound)
				}
			})
		})
	}
}

// obstruct takes the direct way from the two, and waits until they speak by the relay.
func (p *virtualPair) obstruct(t *testing.T) {
	p.network.Block(p.hosts[0], p.hosts[1], true)
	p.hosts[0].Silence()
	p.word(t)
}

// cut takes ada off the network for a while.
func (p *virtualPair) cut(length time.Duration) {
	p.hosts[0].Cut(true)
	time.Sleep(length)
	p.hosts[0].Cut(false)
}
