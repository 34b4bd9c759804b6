package bodkin

import (
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/punch"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

const (
	// carrierTimeout is how long sent bytes may stay unacknowledged until the kernel gives a carrier up. The line's own pings
	// notice a silent path sooner; this is for a peer that keeps a connection open and takes nothing.
	carrierTimeout = 15 * time.Second
	// carrierUnsent is how much the kernel keeps of a carrier's bytes beyond those on their way: what is written next, a question for a
	// further carrier or a key press, waits for that. Of a fast carrier it keeps what that sends in a millisecond: see package record.
	carrierUnsent = 128 << 10
)

// tuneCarrier bounds what the kernel keeps of a carrier's bytes, and how long.
func (n *Node) tuneCarrier(socket net.Conn) {
	if err := reuseport.SetUserTimeout(socket, carrierTimeout); err != nil {
		n.log.Debug("no user timeout on this system", "err", err)
	}
	if err := reuseport.LimitUnsent(socket, carrierUnsent); err != nil {
		n.log.Debug("no limit on what the kernel keeps", "err", err)
	}
}

// distrustRoundTrip keeps the kernel's false first measurement of a simultaneous open from slowing the carrier. A TLS
// handshake takes one round trip and some computing.
func (n *Node) distrustRoundTrip(result *punch.Result) {
	changed, err := reuseport.DistrustRoundTrip(result.Socket, result.Verified.Sub(result.Connected))
	if err != nil || changed != "" {
		n.log.Debug("false first round trip", "changed_to", changed, "err", err)
	}
}
