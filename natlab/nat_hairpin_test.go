package natlab

import "testing"

func TestHairpinningIsDoneAsTheBehaviorSays(t *testing.T) {
	with := func(b Behavior, h Hairpinning) Behavior {
		b.Hairpinning = h
		return b
	}
	reject := with(PortRestrictedCone(), HairpinExternal)
	reject.Unsolicited = UnsolicitedReset
	unreachable := reject
	unreachable.Unsolicited = UnsolicitedUnreachable
	playAll(t, []scriptCase{
		{"none", with(FullCone(), HairpinNone), `
			B:5000 > S:80 SYN -> X:5000 > S:80 SYN
			A:4000 > X:5000 SYN -> drop
			udp A:4000 > X:5000 -> drop
		`},
		{"reset, as Linux does", Linux(), `
			B:5000 > S:80 SYN -> X:5000 > S:80 SYN
			A:4000 > X:5000 SYN seq=5 -> X:5000 > A:4000 RST+ACK seq=0 ack=6
			udp A:4000 > X:5000 -> X > A unreachable about A:4000 > X:5000
		`},
		{"external source", with(FullCone(), HairpinExternal), `
			B:5000 > S:80 SYN -> X:5000 > S:80 SYN
			A:4000 > X:5000 SYN -> X:4000 > B:5000 SYN
			B:5000 > X:4000 SYN+ACK -> X:5000 > A:4000 SYN+ACK
			A:4000 > X:5000 ACK len=5 -> X:4000 > B:5000 ACK
			udp B:1 > S:80 -> udp X:1 > S:80
			udp A:1 > X:1 -> udp X:p > B:1
			udp B:1 > X:p -> udp X:1 > A:1
			B > X unreachable about X:4000 > B:5000 ACK -> X > A unreachable about A:4000 > X:5000
			A:4000 > X:9 SYN -> drop # nobody has X:9
		`},
		{"external source, filtered", with(PortRestrictedCone(), HairpinExternal), `
			B:5000 > S:80 SYN -> X:5000 > S:80 SYN
			A:4000 > X:5000 SYN -> drop
			B:5000 > X:4000 SYN -> X:5000 > A:4000 SYN
			A:4000 > X:5000 SYN+ACK -> X:4000 > B:5000 SYN+ACK
		`},
		{"external source, rejected", reject, `
			B:5000 > S:80 SYN -> X:5000 > S:80 SYN
			A:4000 > X:5000 SYN seq=7 -> X:5000 > A:4000 RST+ACK seq=0 ack=8
		`},
		{"external source, unreachable", unreachable, `
			A:4000 > X:5000 SYN -> X > A unreachable about A:4000 > X:5000
		`},
		{"external source, held", with(CarrierGrade(), HairpinExternal), `
			A:4000 > X:5000 SYN -> drop
			+6s
			expire -> drop
		`},
		{"internal source", with(FullCone(), HairpinInternal), `
			B:5000 > S:80 SYN -> X:5000 > S:80 SYN
			A:4000 > X:5000 SYN -> A:4000 > B:5000 SYN
		`},
		{"to itself", with(FullCone(), HairpinExternal), `
			A:4000 > S:80 SYN -> X:4000 > S:80 SYN
			A:4001 > X:4000 SYN -> X:4001 > A:4000 SYN
			A:4000 > X:4001 SYN+ACK -> X:4000 > A:4001 SYN+ACK
		`},
	})
}
