package control

import (
	"testing"

	"github.com/bodkin-p2p/bodkin"
)

// countingStream knows how much it carried.
type countingStream struct {
	*fakeStream
	stats bodkin.ConnStats
}

func (s countingStream) Stats() bodkin.ConnStats { return s.stats }

// Seen to fail: with the oldest kept instead of the newest.
func TestALedgerListsTheNewestStreamsThatAreOpen(t *testing.T) {
	var l Ledger
	if s := l.Streams(); s.Open != 0 || s.List == nil || len(s.List) != 0 {
		t.Errorf("nothing is open: %+v", s)
	}
	var closed []func()
	for i := range MaxStreams + 3 {
		_, over := l.Add(countingStream{&fakeStream{name: "ben", service: "ssh"}, bodkin.ConnStats{BytesIn: uint64(i)}}, i%2 == 0)
		closed = append(closed, over)
	}
	closed[0]()
	closed[0]()
	s := l.Streams()
	if s.Open != MaxStreams+2 || len(s.List) != MaxStreams {
		t.Fatalf("%d are open and %d listed", s.Open, len(s.List))
	}
	if first := s.List[0]; first.In != 3 || first.Accepted || first.Peer != "ben" || first.Service != "ssh" || first.Since.IsZero() {
		t.Errorf("first: %+v", first)
	}
	if last := s.List[MaxStreams-1]; last.In != MaxStreams+2 || !last.Accepted {
		t.Errorf("last: %+v", last)
	}
	for _, over := range closed {
		over()
	}
	if s := l.Streams(); s.Open != 0 {
		t.Errorf("%d are open after all were closed", s.Open)
	}
}

func TestTheStreamsOfCommandsAreTold(t *testing.T) {
	node := newFakeNode(t)
	client, _ := connected(t, node)
	node.dialled(t, client, "echo")
	s, err := client.Streams(t.Context())
	if err != nil || s.Open != 1 || s.List[0].Peer != "ben" || s.List[0].Service != "echo" || s.List[0].Accepted {
		t.Errorf("streams: %+v, %v", s, err)
	}
}
