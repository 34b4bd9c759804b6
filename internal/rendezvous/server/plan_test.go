package server

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const ms = time.Millisecond

func TestWhenTheNextRoundBegins(t *testing.T) {
	reflexive, local, late, silent := side{failed: failedReflexive}, side{failed: failedLocal}, side{late: true}, side{}
	far := func(s side, rtt time.Duration) side { s.rtt = rtt; return s }
	const notDue = -1
	tests := []struct {
		name           string
		round          int
		running        time.Duration
		dialer, callee side
		want           time.Duration
	}{
		{"nothing failed", 1, 50 * ms, silent, silent, notDue},
		{"both failed", 1, 50 * ms, reflexive, reflexive, 0},
		{"one failed: the other's report gets its time", 1, 50 * ms, reflexive, silent, gatherMin},
		{"more time, the more the round trips differ", 1, 50 * ms, far(silent, 30*ms), far(reflexive, 50*ms), gatherMin + 20*ms},
		{"but bounded", 1, 50 * ms, far(reflexive, ms), far(silent, time.Hour), gatherMax},
		{"only local addresses failed", 1, 5 * ms, local, local, gatherLocal},
		{"round 3 follows when both failed", 2, 50 * ms, reflexive, reflexive, 0},
		{"a late report counts", 2, 50 * ms, reflexive, late, 0},
		{"but begins nothing", 2, 50 * ms, late, late, notDue},
		{"a silent side is waited for", 2, 50 * ms, reflexive, silent, lateSide - 50*ms},
		{"not for ever", 2, 2 * time.Second, reflexive, silent, 0},
		{"local addresses hurry nobody", 2, 50 * ms, local, reflexive, lateSide - 50*ms},
		{"the last ends when both failed", 3, 50 * ms, reflexive, reflexive, 0},
		{"else it lasts", 3, 2 * time.Second, reflexive, silent, notDue},
		{"whatever failed locally", 3, 2 * time.Second, reflexive, local, notDue},
	}
	for _, test := range tests {
		wait, due := nextRound(test.round, test.running, test.dialer, test.callee)
		if !due {
			wait = notDue
		}
		if wait != test.want {
			t.Errorf("%s: in %v, want %v", test.name, wait, test.want)
		}
	}
}

func TestWeightOfAReport(t *testing.T) {
	seen, told := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("10.0.0.1:4000")
	observed := []*wire.Endpoint{wire.NewEndpoint(netip.MustParseAddrPort("192.0.2.9:1")), wire.NewEndpoint(seen)}
	failed := func(remote netip.AddrPort, kind wire.FailureKind) *wire.PairFailure {
		return &wire.PairFailure{Remote: wire.NewEndpoint(remote), Kind: kind}
	}
	const refused, unreachable = wire.FailureKind_FAILURE_KIND_REFUSED, wire.FailureKind_FAILURE_KIND_UNREACHABLE
	tests := []struct {
		name         string
		failures     []*wire.PairFailure
		want         failure
		wantRejected bool
	}{
		{"nothing", nil, failedNot, false},
		{"refused where the server sees the peer", []*wire.PairFailure{failed(seen, refused)}, failedReflexive, true},
		{"unreachable there", []*wire.PairFailure{failed(seen, unreachable)}, failedReflexive, true},
		{"tuple busy there", []*wire.PairFailure{failed(seen, wire.FailureKind_FAILURE_KIND_TUPLE_BUSY)}, failedReflexive, false},
		{"refused at an address that the peer told", []*wire.PairFailure{failed(told, refused)}, failedLocal, false},
		{"a stranger answered", []*wire.PairFailure{failed(seen, wire.FailureKind_FAILURE_KIND_UNVERIFIED)}, failedNot, false},
		{"both", []*wire.PairFailure{failed(told, refused), failed(seen, refused)}, failedReflexive, true},
	}
	for _, test := range tests {
		weight, rejected := weigh(test.failures, observed)
		if weight != test.want || rejected != test.wantRejected {
			t.Errorf("%s: %v, %v; want %v, %v", test.name, weight, rejected, test.want, test.wantRejected)
		}
	}
}
