//go:build !race

// It plays on memory_test.go's network, which the race detector makes slow.

package bodkin

import (
	"testing"
	"time"
)

// TestASessionThatWasCutOffIsBackWithoutTheServer cuts a link for so long that both ends have given the path up, while there is no server to introduce
// them again.
func TestASessionThatWasCutOffIsBackWithoutTheServer(t *testing.T) {
	playPair(t, func(p *virtualPair) {
		time.Sleep(time.Minute)
		p.word(t)
		p.server.stop()
		p.cut(time.Minute)
		if took := p.word(t); took > 5*time.Second { // where the peer is dialled as anybody, see unknownTurns, 4 s more
			t.Errorf("a word took %v", took)
		} else {
			t.Logf("a word took %v", took)
		}
		p.server.start(t)
		time.Sleep(5 * time.Minute)
		for i, n := range p.nodes {
			if links := n.links.all(); len(links) != 1 {
				t.Errorf("node %d has %d sessions, want the one of before", i, len(links))
			}
		}
	})
}
