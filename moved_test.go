package bodkin

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
)

func TestAConnectionIsReplacedWhenItsAddressIsNotTheOneToGoOutFrom(t *testing.T) {
	here, there := netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("10.0.0.7")
	on := rendezvous.State{Connected: true, Local: netip.AddrPortFrom(here, 4001)}
	off := on
	off.Connected = false
	noRoute := errors.New("network is unreachable")
	for _, row := range []struct {
		name   string
		state  rendezvous.State
		source netip.Addr
		err    error
		want   move
	}{
		{"the same address", on, here, nil, stayed},
		{"another address", on, there, nil, moved},
		{"no way out", on, netip.Addr{}, noRoute, stranded},
		{"no connection", off, here, nil, moved},
		{"no connection and no way out", off, netip.Addr{}, noRoute, stranded},
		{"never connected", rendezvous.State{}, there, nil, moved},
	} {
		if got := judgeMove(row.state, row.source, row.err); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}
