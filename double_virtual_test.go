//go:build !race

// It plays on memory_test.go's network, which the race detector makes slow.

package bodkin

import (
	"context"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// TestOfTwoSessionsMadeAtOnceOneStays has each node begin a session with the other although they have one. Those that get no new
// streams end, each once its last stream is closed.
func TestOfTwoSessionsMadeAtOnceOneStays(t *testing.T) {
	playPair(t, func(p *virtualPair) {
		for i, peer := range []string{"ben", "ada"} {
			if _, err := p.nodes[i].introduceByServer(context.Background(), target{name: peer}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		if n := len(p.nodes[0].links.all()); n < 2 {
			t.Errorf("%d sessions: the test shows nothing", n)
		}
		time.Sleep(time.Minute)
		p.word(t) // by the stream of the first one
		stay := map[line.ID]int{}
		for _, n := range p.nodes {
			for _, l := range n.links.all() {
				stay[l.line.ID()]++
			}
		}
		kept := p.nodes[0].links.to(target{name: "ben"})
		if other := p.nodes[1].links.to(target{name: "ada"}); kept.line.ID() != other.line.ID() {
			t.Errorf("new streams go by %v here and by %v there", kept.line.ID(), other.line.ID())
		}
		first := p.ends[0].link.line.ID()
		if len(stay) > 2 || stay[first] != 2 || stay[kept.line.ID()] != 2 {
			t.Errorf("with a stream in %v and %v for new ones there are %v", first, kept.line.ID(), stay)
		}
		for _, end := range p.ends {
			end.Close()
		}
		time.Sleep(time.Minute)
		for i, n := range p.nodes {
			if all := n.links.all(); len(all) != 1 || all[0].line.ID() != kept.line.ID() {
				t.Errorf("node %d has %d sessions in the end", i, len(all))
			}
		}
	})
}
