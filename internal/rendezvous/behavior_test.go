package rendezvous

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestABehaviorArrivesAsItWasSent(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, want := range map[string]natbehavior.Report{
		"nothing": {},
		"a step": {Mapping: natbehavior.AddressAndPortDependent, Filtering: natbehavior.AddressDependent, Unsolicited: natbehavior.ICMP,
			Allocation: natbehavior.Delta, Delta: -2, Rate: 20, Last: netip.MustParseAddrPort("198.51.100.1:40000"), LastAt: now.Add(-3 * time.Second),
			Pooling: natbehavior.Arbitrary, Hairpin: natbehavior.No, Lifetime: 2 * time.Hour, Proxied: true, Search: true},
		"a block": {Mapping: natbehavior.None, Filtering: natbehavior.None, Allocation: natbehavior.Block, BlockFirst: 2048, BlockLast: 65535},
	} {
		sent := BehaviorMessage(want, now)
		register := &wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
			SealedProfile: []byte{1}, NameTag: make([]byte, wire.NameTagLen), Behavior: sent}}}
		if err := wire.Validate(register); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := BehaviorReport(sent, now); got != want {
			t.Errorf("%s: sent %+v, arrived %+v", name, want, got)
		}
	}
}

func TestASillyReportIsSentWithinTheLimits(t *testing.T) {
	silly := natbehavior.Report{Delta: 1 << 20, Rate: -1, BlockFirst: 9, BlockLast: 8, Lifetime: 1000 * time.Hour,
		Last: netip.MustParseAddrPort("198.51.100.1:0")}
	register := &wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
		SealedProfile: []byte{1}, NameTag: make([]byte, wire.NameTagLen), Behavior: BehaviorMessage(silly, time.Time{})}}}
	if err := wire.Validate(register); err != nil {
		t.Error(err)
	}
}

func TestWhatANewerVersionSaysIsUnknown(t *testing.T) {
	const next = 256 + 2 // must not be taken for 2
	got := BehaviorReport(&wire.Behavior{Mapping: next, Filtering: -1, Unsolicited: 5, Allocation: next, Pooling: next, Hairpin: next}, time.Now())
	if got != (natbehavior.Report{}) {
		t.Errorf("got %+v, want nothing known", got)
	}
}

func FuzzABehaviorThatIsLegalIsLegalToPassOn(f *testing.F) {
	seed, err := proto.Marshal(BehaviorMessage(natbehavior.Report{Mapping: natbehavior.None, Delta: 4, Last: netip.MustParseAddrPort("[2001:db8::1]:9")}, time.Now()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var received wire.Behavior
		if proto.Unmarshal(b, &received) != nil {
			return
		}
		wrap := func(b *wire.Behavior) proto.Message {
			return &wire.ClientMessage{Body: &wire.ClientMessage_Register{Register: &wire.Register{
				SealedProfile: []byte{1}, NameTag: make([]byte, wire.NameTagLen), Behavior: b}}}
		}
		if wire.Validate(wrap(&received)) != nil {
			return
		}
		now := time.Now()
		if err := wire.Validate(wrap(BehaviorMessage(BehaviorReport(&received, now), now))); err != nil {
			t.Fatal(err)
		}
	})
}
