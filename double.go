package bodkin

import (
	"bytes"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// aboutAtOnce is how far apart two sessions may have begun, as each end sees it, to have been made by both nodes at once.
const aboutAtOnce = 10 * time.Second

// yieldsTo tells which of two sessions with a peer gets the new streams, and which ends once it has none: the newer, since the peer may have
// been restarted; of two that were made at once, by both ends or in two ways, the one whose line has the smaller id. Both ends know the ids.
func yieldsTo(id, other line.ID, opened, otherOpened time.Time) bool {
	if apart := otherOpened.Sub(opened); apart.Abs() > aboutAtOnce {
		return apart > 0
	}
	return bytes.Compare(id[:], other[:]) < 0
}

// isDouble tells whether a link is idle and has become needless: there is another with the same peer that is as good, and gets what is new.
// The side that began it ends it.
func (n *Node) isDouble(l *link) bool {
	if !l.dialer || l.dialOnly || n.config.DialOnly || l.session.Stats().Streams > 0 {
		return false
	}
	best := n.links.to(target{id: l.peer})
	return best != nil && best != l && best.path().Kind == Direct && yieldsTo(l.line.ID(), best.line.ID(), l.opened, best.opened)
}
