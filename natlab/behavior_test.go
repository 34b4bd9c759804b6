package natlab

import (
	"fmt"
	"testing"
	"time"
)

func ExampleBehavior() {
	b := PortRestrictedCone()
	b.Unsolicited = UnsolicitedReset
	fmt.Println(b)
	// Output: mapping endpoint-independent, filtering address-and-port-dependent, port preserving, unsolicited reset, hairpinning external source
}

func TestBehaviorIsToldInWords(t *testing.T) {
	for want, b := range map[string]Behavior{
		"mapping endpoint-independent, filtering endpoint-independent, port preserving, unsolicited drop":             {},
		"mapping address-and-port-dependent, filtering address-and-port-dependent, port sequential, unsolicited drop": SequentialSymmetric(),
		"mapping endpoint-independent, filtering address-and-port-dependent, port preserving, unsolicited reset, " +
			"overloading, hairpinning reset, checking windows": LinuxReject(),
		"no translation, filtering address-and-port-dependent, unsolicited drop": Firewall6(),
		"mapping address-dependent, filtering endpoint-independent, port block, unsolicited hold, no simultaneous open, no UDP": {
			Mapping: AddressDependent, Allocation: PortBlock, Unsolicited: UnsolicitedHold,
			RefuseSimultaneousOpen: true, BlockUDP: true},
		"mapping invalid (9), filtering endpoint-independent, port preserving, unsolicited drop": {Mapping: 9},
	} {
		if got := b.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	axes := fmt.Sprint(PoolingArbitrary, HairpinInternal, CheckStates, ResetRemovesUnanswered, PortUntranslated, UnsolicitedUnreachable)
	if want := "arbitrary internal source states removes unanswered untranslated unreachable"; axes != want {
		t.Errorf("got %s, want %s", axes, want)
	}
}

func TestZeroTimeoutsAreThoseOfTheRFCs(t *testing.T) {
	got := Timeouts{Closed: time.Second}.withDefaults()
	if got.Established != 124*time.Minute || got.SynSent != 4*time.Minute || got.UDP != 5*time.Minute || got.Closed != time.Second {
		t.Errorf("got %+v", got)
	}
	if got.Lifetime != 0 || got.Unacknowledged != 0 {
		t.Errorf("lifetime %v and unacknowledged %v, want none", got.Lifetime, got.Unacknowledged)
	}
}
