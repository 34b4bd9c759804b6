package bodkin

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/bodkin-p2p/bodkin/internal/candidate"
	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/rendezvous"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A profile is what a node tells its room: only holders of the room's secret can read or make one.
type profile struct {
	name       string
	candidates []candidate.Candidate // host ones; the rest is the server's to say
	dialOnly   bool
}

// registration is what this node tells the server, made anew for each time it connects: addresses change.
func (n *Node) registration() rendezvous.Registration {
	p := n.profile()
	n.network.mu.Lock()
	n.network.hosts = p.candidates
	n.network.mu.Unlock()
	room := n.config.Invite.Room
	return rendezvous.Registration{
		Sealed:    room.Seal(n.id, p.marshal()),
		NameTag:   room.NameTag(p.name),
		Primary:   !n.config.DialOnly,
		PortReuse: n.portReuse,
		Search:    n.config.Search,
		Samples:   true,
		Relay:     relayPolicies[n.config.Relay],
		Software:  software(),
	}
}

// profile is what this node tells of itself now.
func (n *Node) profile() profile {
	p := profile{name: n.config.Name, dialOnly: n.config.DialOnly}
	if n.config.Relay != RelayAlways {
		p.candidates = gather.Hosts(n.interfaces(), n.port.Number())
		if inner, ok := n.innerMapping(); ok {
			p.candidates = append(p.candidates, inner)
		}
	}
	return p
}

// errWrongName is a profile with another name than the one that the server holds its node to.
var errWrongName = errors.New("its name is not the one that it registered")

// open reads the profile of a node of this room. The name in it must be that of the tag, which the server holds to one node at a
// time: else any member could go by another's name.
func (n *Node) open(id NodeID, sealed []byte, tag [wire.NameTagLen]byte) (profile, error) {
	room := n.config.Invite.Room
	plain, err := room.Open(id, sealed)
	var p profile
	if err == nil {
		p, err = parseProfile(plain)
	}
	if err == nil && room.NameTag(p.name) != tag {
		err = errWrongName
	}
	if err != nil {
		return profile{}, fmt.Errorf("profile of %s: %w", id.Short(), err)
	}
	return p, nil
}

func (p profile) message() *wire.Profile {
	m := &wire.Profile{Name: p.name, DialOnly: p.dialOnly}
	for _, c := range p.candidates[:min(len(p.candidates), wire.MaxCandidates)] {
		m.Candidates = append(m.Candidates, &wire.Candidate{Type: wireTypes[c.Type], Endpoint: wire.NewEndpoint(c.Addr)})
	}
	return m
}

func (p profile) marshal() []byte {
	b, err := proto.Marshal(p.message())
	if err != nil {
		panic(err) // only invalid UTF-8 can do that, and validName has seen the name
	}
	return b
}

func parseProfile(b []byte) (profile, error) {
	var m wire.Profile
	if err := proto.Unmarshal(b, &m); err != nil {
		return profile{}, fmt.Errorf("%w: %v", wire.ErrMalformed, err)
	}
	if err := wire.Validate(&m); err != nil {
		return profile{}, err
	}
	return profileOf(&m)
}

// profileOf reads a message that keeps the limits.
func profileOf(m *wire.Profile) (profile, error) {
	if !validName(m.Name) {
		return profile{}, fmt.Errorf("%w: name %q", wire.ErrMalformed, m.Name)
	}
	p := profile{name: m.Name, dialOnly: m.DialOnly}
	for _, c := range m.Candidates {
		for kind, number := range wireTypes {
			if number == c.Type && kind == candidate.Host {
				p.candidates = append(p.candidates, candidate.Candidate{Type: kind, Addr: c.Endpoint.AddrPort()})
			}
		}
	}
	return p, nil
}
