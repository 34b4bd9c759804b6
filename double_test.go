package bodkin

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

func TestBothEndsKnowWhichOfTwoSessionsYields(t *testing.T) {
	now := time.Now()
	small, large := line.ID{1}, line.ID{2}
	for _, c := range []struct {
		name          string
		id, other     line.ID
		opened, later time.Duration // of one, of the other
		want          bool
	}{
		{"at once, smaller id", small, large, 0, 0, true},
		{"at once, larger id", large, small, 0, 0, false},
		{"the other a little later, here", large, small, 0, 9 * time.Second, false},
		{"and as the peer sees it, a little earlier", large, small, 9 * time.Second, 0, false},
		{"the other is newer, whatever its id", large, small, 0, 11 * time.Second, true},
		{"the other is older, whatever its id", small, large, 11 * time.Second, 0, false},
	} {
		opened, later := now.Add(c.opened), now.Add(c.later)
		if got := yieldsTo(c.id, c.other, opened, later); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if yieldsTo(c.other, c.id, later, opened) == c.want {
			t.Errorf("%s: both yield, or neither", c.name)
		}
	}
}
