package natlab

import "time"

// hairpin takes a packet from inside to an external address of this NAT.
func (n *nat) hairpin(now time.Time, p *packet) {
	switch n.behavior.Hairpinning {
	case HairpinNone:
		return
	case HairpinReset:
		n.sendInside(refusal(p))
		return
	}
	internal := p.from
	if !n.translateOut(now, p) {
		return
	}
	if n.translateIn(now, p) {
		if n.behavior.Hairpinning == HairpinInternal {
			p.setSrc(internal)
		}
		n.sendInside(p.raw)
		return
	}
	n.returnAnswer(now, p)
}

// returnAnswer answers an unsolicited packet that came from inside: the answer is itself hairpinned.
// A SYN is not held for one.
func (n *nat) returnAnswer(now time.Time, p *packet) {
	if n.behavior.Unsolicited == UnsolicitedHold {
		return
	}
	a, ok := parse(n.answer(now, p))
	switch {
	case !ok:
	case a.isError():
		n.errorFromOutside(now, &a)
	case n.translateIn(now, &a):
		n.sendInside(a.raw)
	}
}
