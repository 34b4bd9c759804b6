package bodkin

import (
	"io"
	"net"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// TestWhatAPunchGivesIsReadInTheBestWay looks that the two packages, which do not know each other, fit together.
func TestWhatAPunchGivesIsReadInTheBestWay(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go io.Copy(io.Discard, far)
	conn, _, err := punch.Greet(near, wire.AttemptID{1}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if over, ok := conn.(record.Plain); !ok || over.Plain() != near {
		t.Errorf("%T does not show the connection below it", conn)
	}
}
