// Package gather collects the candidates of a node: where it may be reached. Each
// source has its file: the addresses of the machine's interfaces, and what the
// rendezvous server observed. Which of a peer's candidates are dialled is the matter
// of package candidate.
package gather

import (
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
)

// WithObserved returns the candidates of a node from what it claims (its host and
// mapped ones) and from where the server saw it come from. What the server saw only
// the server can say: claims of that type are left out.
func WithObserved(claimed []candidate.Candidate, observed []netip.AddrPort) []candidate.Candidate {
	all := make([]candidate.Candidate, 0, len(claimed)+len(observed))
	for _, c := range claimed {
		if c.Type != candidate.ServerReflexive {
			all = append(all, c)
		}
	}
	for _, addr := range observed {
		all = append(all, candidate.Candidate{Type: candidate.ServerReflexive, Addr: addr})
	}
	return all
}
