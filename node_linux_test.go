package bodkin_test

import (
	"net"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
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
	start := time.Now()
	joinRoom(t, invite, bodkin.Config{Name: "ada"})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("joined after %v", took)
	}
}
