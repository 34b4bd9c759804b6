// Package gather collects the candidates of a node: where it may be reached. Each
// source has its file: the addresses of the machine's interfaces, and what the
// rendezvous server observed. Which of a peer's candidates are dialled is the matter
// of package candidate.
package gather

import (
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
)

// WithServer returns the candidates of a node from what it claims (its host ones), from where the server saw it come from, and from where
// the server has proven that a gateway forwards to it. The last two only the server can say: claims of other types
// than host are left out.
func WithServer(claimed []candidate.Candidate, observed, mapped []netip.AddrPort) []candidate.Candidate {
	all := make([]candidate.Candidate, 0, len(claimed)+len(observed)+len(mapped))
	for _, c := range claimed {
		if c.Type == candidate.Host {
			all = append(all, c)
		}
	}
	for _, addr := range mapped {
		all = append(all, candidate.Candidate{Type: candidate.Mapped, Addr: addr})
	}
	for _, addr := range observed {
		all = append(all, candidate.Candidate{Type: candidate.ServerReflexive, Addr: addr})
	}
	return all
}
