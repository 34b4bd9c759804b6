package server

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// behaved registers f again, with what it measured.
func (f *fakeNode) behaved(n uint64, change func(*wire.Register)) {
	m := registering(n, true)
	m.GetRegister().Behavior = &wire.Behavior{Mapping: wire.Dependence_DEPENDENCE_ADDRESS_AND_PORT, Delta: -3,
		Last: wire.NewEndpoint(netip.MustParseAddrPort("192.0.2.1:5000")), LastAgeMs: 500}
	m.GetRegister().Behavior6 = &wire.Behavior{Mapping: wire.Dependence_DEPENDENCE_NONE}
	change(m.GetRegister())
	f.say(m)
	f.take()
}

func TestAPeerIsToldOfTheNetworksAndHowOldThatIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := join(s, 1, 1), join(s, 1, 2)
		a.behaved(1, func(*wire.Register) {})
		time.Sleep(4 * time.Second)
		a.say(dialNode(1, 2))
		toA, toB := a.introduced(t), b.introduced(t)
		if toA.Behavior != nil || toA.Behavior6 != nil {
			t.Errorf("a node that said nothing behaves as %v, %v", toA.Behavior, toA.Behavior6)
		}
		if toB.Behavior6.GetMapping() != wire.Dependence_DEPENDENCE_NONE {
			t.Errorf("over IPv6: %v, want no mapping", toB.Behavior6)
		}
		got := toB.Behavior
		if got.GetMapping() != wire.Dependence_DEPENDENCE_ADDRESS_AND_PORT || got.GetDelta() != -3 || got.GetLastAgeMs() != 4500 {
			t.Errorf("over IPv4: %v, want an address-and-port-dependent mapping with a step of -3, last seen 4.5 s ago", got)
		}
	})
}

func TestNetworksOfANodeThatHidesAreNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Limits{})
		a, b := join(s, 1, 1), join(s, 1, 2)
		a.behaved(1, func(m *wire.Register) { m.Relay = wire.RelayPolicy_RELAY_POLICY_ALWAYS })
		a.say(dialNode(1, 2))
		a.take()
		if toB := b.introduced(t); toB.Behavior != nil || toB.Behavior6 != nil {
			t.Errorf("told %v, %v", toB.Behavior, toB.Behavior6)
		}
		a.behaved(1, func(m *wire.Register) { m.Behavior, m.Behavior6 = nil, nil })
		if v4, v6 := a.room.behavior(a.conn); v4 != nil || v6 != nil {
			t.Errorf("a node that has forgotten still behaves as %v, %v", v4, v6)
		}
	})
}
