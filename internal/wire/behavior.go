package wire

import "net/netip"

// behavior checks a Behavior, which may be nil. Enumerations are not checked: a value from a newer version is unknown.
func behavior(b *Behavior) error {
	if b == nil {
		return nil
	}
	if b.Last != nil {
		if err := endpoint("behavior.last", b.Last); err != nil {
			return err
		}
	}
	return first(
		between("behavior.delta", int(b.Delta), -MaxDelta, MaxDelta),
		between("behavior.rate", int(b.Rate), 0, MaxRate),
		between("behavior.block_first", int(b.BlockFirst), 0, int(b.BlockLast)),
		between("behavior.block_last", int(b.BlockLast), 0, 65535),
		between("behavior.lifetime_s", int(b.LifetimeS), 0, MaxLifetime),
	)
}

func validateDialledBack(d *DialledBack) error {
	if err := between("dialled_back.tries", len(d.GetTries()), 0, MaxDialBacks); err != nil {
		return err
	}
	for _, try := range d.GetTries() {
		if err := endpoint("dialled_back.tries.to", try.GetTo()); err != nil {
			return err
		}
		if _, ok := netip.AddrFromSlice(try.GetFrom()); !ok {
			return malformed("dialled_back.tries.from: not an address")
		}
	}
	return nil
}
