package bodkin

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/punch"
)

// Timing is how long the parts of a dial took, each counted from its start. All are zero for a session that was there.
type Timing struct {
	Introduced time.Duration // the server's introduction arrived
	FirstSYN   time.Duration // the first SYN left; zero: the peer's connection came in before
	Connected  time.Duration // TCP was up on the connection that was kept
	Secured    time.Duration // the first protected byte could be sent
	Rounds     int           // rounds it took, 1 at best
	SYNs       int           // connections this side started
}

// marks is when the parts of an attempt happened.
type marks struct {
	introduced, firstSYN, connected, secured time.Time
	rounds, syns                             int
}

func marksOf(a *attempt, result *punch.Result) marks {
	return marks{
		introduced: a.introduced,
		firstSYN:   result.FirstSYN,
		connected:  result.Connected,
		secured:    result.Nominated,
		rounds:     result.Round,
		syns:       result.SYNs,
	}
}

// since counts marks from start.
func (m marks) since(start time.Time) Timing {
	count := func(mark time.Time) time.Duration {
		if mark.IsZero() {
			return 0
		}
		return mark.Sub(start)
	}
	return Timing{
		Introduced: count(m.introduced),
		FirstSYN:   count(m.firstSYN),
		Connected:  count(m.connected),
		Secured:    count(m.secured),
		Rounds:     m.rounds,
		SYNs:       m.syns,
	}
}

// pathOf is the path of the connection that punching, or the relay, gave.
func pathOf(result *punch.Result) Path {
	kind := Direct
	if result.Remote.Type == candidate.Relayed {
		kind = Relayed
	}
	path := Path{
		Kind:      kind,
		Local:     addrPort(result.Socket.LocalAddr().String()),
		Remote:    addrPort(result.Socket.RemoteAddr().String()),
		Candidate: kindOf(punch.Try{Remote: result.Remote, Accepted: result.Accepted}),
	}
	if !path.Remote.IsValid() {
		path.Remote = result.Remote.Addr
	}
	return path
}

// addrPort reads the text of a TCP address; the zero AddrPort if it is another kind.
func addrPort(text string) netip.AddrPort {
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
