package bodkin

import (
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

func TestWhatNobodyHasYetIsNotCountedAsMoved(t *testing.T) {
	l := line.New(line.Config{})
	defer l.Close()
	if _, err := l.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if stats := l.Stats(); stats.Unacknowledged != 1000 || come(stats) != 0 {
		t.Errorf("%d bytes have moved of %d that wait", come(stats), stats.Unacknowledged)
	}
}
