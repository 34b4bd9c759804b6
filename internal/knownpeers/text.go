package knownpeers

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// A Peer is one line of a file.
type Peer struct {
	Name  string
	ID    identity.NodeID
	Room  identity.RoomID
	Since time.Time // the day on which it was met
}

func byName(a, b Peer) int { return cmp.Compare(a.Name, b.Name) }

// heading is what a file begins with.
const heading = `# Which node goes by which name: name, node, room, since when. A name that is here stays with its node.
# bodkin forget NAME removes a line, when the other machine was set up anew.
`

// maxName is the longest name of a node.
const maxName = 63

// A LineError tells which line of a file is damaged.
type LineError struct {
	Line    int
	Problem string
}

// Error tells the line and what is wrong with it.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// parse reads a file. All of it must be in order: a name that is passed over would be anybody's.
func parse(data []byte) ([]Peer, error) {
	var peers []Peer
	type key struct {
		name string
		room identity.RoomID
	}
	seen := map[key]bool{}
	for i, line := range bytes.Split(data, []byte("\n")) {
		wrong := func(format string, args ...any) error { return &LineError{i + 1, fmt.Sprintf(format, args...)} }
		if !utf8.Valid(line) {
			return nil, wrong("not a text")
		}
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 4 {
			return nil, wrong("want name, node, room and day, and nothing else")
		}
		p := Peer{Name: fields[0]}
		var err error
		if len(p.Name) > maxName {
			return nil, wrong("the name is too long")
		}
		if p.ID, err = identity.ParseNodeID(fields[1]); err != nil {
			return nil, wrong("%v", err)
		}
		if p.Room, err = identity.ParseRoomID(fields[2]); err != nil {
			return nil, wrong("%v", err)
		}
		if p.Since, err = time.Parse(time.DateOnly, fields[3]); err != nil {
			return nil, wrong("want a day like %s", time.DateOnly)
		}
		if seen[key{p.Name, p.Room}] {
			return nil, wrong("the name is there twice")
		}
		seen[key{p.Name, p.Room}] = true
		if peers = append(peers, p); len(peers) > MaxPeers {
			return nil, wrong("more than %d names", MaxPeers)
		}
	}
	return peers, nil
}

// format is the file of some peers.
func format(peers []Peer) []byte {
	b := []byte(heading)
	for _, p := range peers {
		b = fmt.Appendf(b, "%s %s %s %s\n", p.Name, p.ID, p.Room, p.Since.Format(time.DateOnly))
	}
	return b
}
