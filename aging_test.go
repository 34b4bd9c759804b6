//go:build !race

// It plays on memory_test.go's network, which the race detector makes slow.

package bodkin

import (
	"encoding/binary"
	"flag"
	"io"
	"sync"
	"testing"
	"time"
)

var agingFor = flag.Duration("aging-for", 10*time.Minute, "virtual time that TestMappingsThatAgeCostNoPause plays")

// TestMappingsThatAgeCostNoPause has a network end every mapping 60 s after it was made, whatever flows, on one side, on the other and on
// both, and a number sent each way every 50 ms. Two deaths teach it; from then on the receivers never wait longer than 200 ms. Nodes and
// server are the real ones, time and sockets are not, so the machine that plays it can make no pause.
func TestMappingsThatAgeCostNoPause(t *testing.T) {
	const age, bound = time.Minute, 200 * time.Millisecond
	for _, c := range []struct {
		name string
		aged []int
	}{{"dialer's", []int{0}}, {"callee's", []int{1}}, {"both", []int{0, 1}}} {
		t.Run(c.name, func(t *testing.T) {
			playPair(t, func(p *virtualPair) {
				for _, i := range c.aged {
					p.hosts[i].EndMappings(age)
				}
				gaps := p.count(t, *agingFor)
				learnt, late, worst := 0, 0, time.Duration(0)
				for _, g := range gaps {
					switch {
					case g.at < 3*age && g.length > bound:
						learnt++
					case g.at >= 3*age:
						worst = max(worst, g.length)
						if g.length > bound {
							late++
							t.Errorf("after %v a pause of %v", g.at, g.length)
						}
					}
				}
				t.Logf("%v: %d pauses until it was learnt, %d in the rest, the longest time without a number there %v", *agingFor, learnt, late, worst)
				if learnt == 0 {
					t.Error("the network has ended no mapping")
				}
			})
		})
	}
}

// TestANetworkThatEndsMappingsIsKnownBeforeThereIsASession has nodes stand idle in such networks. The connections to the server teach
// them: first it takes the server's silence to see that the mapping has ended, then next to no time; and a session that begins later
// has no pause at all.
func TestANetworkThatEndsMappingsIsKnownBeforeThereIsASession(t *testing.T) {
	for _, age := range []time.Duration{time.Minute, 5 * time.Minute} {
		t.Run(age.String(), func(t *testing.T) {
			playIdlePair(t, true, func(t *testing.T, p *virtualPair) {
				for _, h := range p.hosts {
					h.EndMappings(age)
				}
				time.Sleep(3*age + 2*time.Minute)
				for i, n := range p.nodes {
					if limit, _ := n.aging.limit(); limit < age*2/3 || limit > age {
						t.Errorf("node %d knows of an age of %v, where it is %v", i, limit, age)
					}
				}
				p.ends = meet(t, p.nodes)
				worst := time.Duration(0)
				for _, g := range p.count(t, *agingFor) {
					if worst = max(worst, g.length); g.length > 200*time.Millisecond {
						t.Errorf("after %v a pause of %v", g.at, g.length)
					}
				}
				t.Logf("%v: the longest time without a number %v", *agingFor, worst)
			})
		})
	}
}

// A gap is a time in which nothing came, and how long after the start it ended.
type gap struct{ at, length time.Duration }

// count has numbers flow both ways for a while, and returns all times between two of them.
func (p *virtualPair) count(t *testing.T, length time.Duration) []gap {
	start := time.Now()
	var gaps [2][]gap
	var work sync.WaitGroup
	for i := range p.ends {
		work.Go(func() { gaps[i] = count(t, p.ends[1-i], start) })
		work.Go(func() {
			var word [8]byte
			for n := uint64(0); time.Since(start) < length; n++ {
				binary.BigEndian.PutUint64(word[:], n)
				if _, err := p.ends[i].Write(word[:]); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			p.ends[i].CloseWrite()
		})
	}
	work.Wait()
	return append(gaps[0], gaps[1]...)
}

// meet opens a stream from the first node to the second, and returns its ends.
func meet(t *testing.T, nodes [2]*Node) (ends [2]*Conn) {
	listener, err := nodes[1].Listen("words")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if ends[0], err = nodes[0].Dial(t.Context(), "ben", "words"); err != nil {
		t.Fatal(err)
	}
	if _, err := ends[0].Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if ends[1], err = listener.AcceptConn(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(ends[1], make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return ends
}

// count reads numbers to the end, each of which must be the next, and returns the times between them.
func count(t *testing.T, conn *Conn, start time.Time) (gaps []gap) {
	var word [8]byte
	last := time.Now()
	for want := uint64(0); ; want++ {
		if _, err := io.ReadFull(conn, word[:]); err != nil {
			if err != io.EOF {
				t.Errorf("after %d numbers: %v", want, err)
			}
			return gaps
		}
		if got := binary.BigEndian.Uint64(word[:]); got != want {
			t.Errorf("got number %d, want %d", got, want)
			return gaps
		}
		now := time.Now()
		gaps = append(gaps, gap{now.Sub(start), now.Sub(last)})
		last = now
	}
}
