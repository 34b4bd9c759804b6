package bodkin

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
)

// maxSightings is how many addresses of a peer are remembered: some networks, in two families.
const maxSightings = 8

// sightings is where a peer was seen, by this node on connections that the peer has proven to be its own, or by the server, and how its
// networks behave, as it says. Nobody else's word makes a public address one that may be dialled.
type sightings struct {
	mu      sync.Mutex
	at      []netip.AddrPort // newest first
	home    netip.AddrPort   // the newest at which its usual port was seen
	behaves natbehavior.Reports
	mapped  bool // the server has proven that a gateway forwards to it
}

// note takes in where the peer was seen.
func (s *sightings) note(at ...netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range slices.Backward(at) {
		if !a.IsValid() {
			continue
		}
		s.at = slices.DeleteFunc(s.at, func(old netip.AddrPort) bool { return old == a })
		s.at = slices.Insert(s.at, 0, a)
	}
	s.at = s.at[:min(len(s.at), maxSightings)]
}

// noteHome takes in where the peer's usual port was seen.
func (s *sightings) noteHome(at netip.AddrPort) {
	s.note(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.IsValid() {
		s.home = at
	}
}

// homePort returns where the peer's usual port was seen last; zero if nowhere.
func (s *sightings) homePort() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.home
}

// told takes in what the peer says of its networks, if it says anything.
func (s *sightings) told(behaves natbehavior.Reports, mapped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if behaves != (natbehavior.Reports{}) {
		s.behaves = behaves
	}
	s.mapped = mapped
}

// places returns where the peer was seen.
func (s *sightings) places() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

// networks returns how the peer's networks behave.
func (s *sightings) networks() (behaves natbehavior.Reports, mapped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behaves, s.mapped
}
