package server

import (
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// FuzzMessages lets two nodes of one room and one of another say anything, in any pieces. The server must neither panic, nor
// remember a node that is gone, nor send what is no legal message (the fake socket decodes it).
func FuzzMessages(f *testing.F) {
	var talk []byte
	for _, m := range []*wire.ClientMessage{
		registering(1, true), pingMessage(0), watchMessage(true), dialNode(1, 2), dialNode(2, 3), watchMessage(false), registering(1, false),
		finishedMessage(make([]byte, wire.AttemptIDLen), true),
		refusedBy(&wire.Introduction{Attempt: make([]byte, wire.AttemptIDLen), Round: 1, Observed: []*wire.Endpoint{{Ip: []byte{192, 0, 2, 1}, Port: 1}}}),
	} {
		one, err := wire.Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(one, uint8(3))
		talk = append(talk, one...)
	}
	f.Add(talk, uint8(200))
	f.Add([]byte{}, uint8(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		s := newTestServer(t, Limits{})
		nodes := []*fakeNode{connect(s, 1, 1), join(s, 1, 2), connect(s, 2, 3)}
		for i := 0; len(b) > 0; i++ {
			n := min(int(step)+1, len(b))
			nodes[i%3].read(b[:n])
			if kept := len(nodes[i%3].partial); kept > wire.MaxFrame+10 {
				t.Fatalf("%d bytes are kept of an unfinished frame", kept)
			}
			b = b[n:]
		}
		for _, n := range nodes {
			s.drop(n.conn, "test")
		}
		if stats := s.Stats(); stats != (Stats{}) {
			t.Fatalf("%+v is left", stats)
		}
		s.loop.Run(canceled())
	})
}
