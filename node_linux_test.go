package bodkin_test

import (
	"net"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// Seen to fail where the listener takes connections before they speak: "server unreachable", since 64 handshakes of one address are all
// there may be.
func TestConnectionsThatSayNothingKeepNobodyOut(t *testing.T) {
	invite := loopbackServer(t)
	for range 200 {
		idle, err := net.Dial("tcp", invite.Servers[0])
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	stopwatch.Within(t, 2*time.Second, func() time.Duration {
		start := time.Now()
		joinRoom(t, invite, bodkin.Config{}).Close()
		return time.Since(start)
	})
}
