package bodkin

import (
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// Behavior is how the networks between a node and the internet treat TCP, in one address family, as the node has measured it with its
// server. The words are those of RFC 4787 and RFC 5382; "unknown" means not measured, or not to be told.
type Behavior struct {
	// Classic is the name by the four types that people know: "Full cone", "Restricted cone", "Port restricted cone" or "Symmetric".
	// Besides, "Open" and "Firewall" where there is no NAT, "No NAT" and "Cone" where the filtering is not known, "Proxied", "Unknown".
	Classic string

	Mapping     string // "none" (there is no NAT), "endpoint-independent", "address-dependent", "address-and-port-dependent"
	Filtering   string // the same; "none" if everybody is let in
	Unsolicited string // what a SYN that nobody asked for gets: "accepted", "dropped", "reset", "icmp"

	Allocation string         // of external ports: "preserving", "delta" (a counter), "block", "random"
	Delta      int            // the counter's step
	Rate       int            // how many new mappings others made in a second
	BlockFirst uint16         // the block's ports; zero: unknown
	BlockLast  uint16         //
	Last       netip.AddrPort // the newest mapping that was seen

	Pooling  string        // of external addresses: "paired", "arbitrary"
	Hairpin  string        // "yes", "no": whether a connection to the own external endpoint arrives
	Lifetime time.Duration // how long an idle connection has stayed open; zero: not measured
	Proxied  bool          // a transparent proxy answers TCP in place of the server
}

// behaviorOf is a report for users.
func behaviorOf(r natbehavior.Report) Behavior {
	return Behavior{
		Classic: r.Classic(),
		Mapping: r.Mapping.String(), Filtering: r.Filtering.String(), Unsolicited: r.Unsolicited.String(),
		Allocation: r.Allocation.String(), Delta: r.Delta, Rate: r.Rate, BlockFirst: r.BlockFirst, BlockLast: r.BlockLast, Last: r.Last,
		Pooling: r.Pooling.String(), Hairpin: r.Hairpin.String(), Lifetime: r.Lifetime, Proxied: r.Proxied,
	}
}
