package main

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// Seen to fail: with the rate of all that a stream has carried, and with that of a new stream.
func TestRatesAreOfWhatCameBetweenTwoLooks(t *testing.T) {
	began := time.Now()
	stream := func(number, in, out uint64) control.StreamStatus {
		return control.StreamStatus{Number: number, Peer: "ben", Service: "ssh", In: in, Out: out, Since: began, Path: bodkin.Path{Kind: bodkin.Direct}}
	}
	before := control.Streams{Open: 2, List: []control.StreamStatus{stream(1, 1000, 50), stream(2, 7, 7)}}
	after := control.Streams{Open: 2, List: []control.StreamStatus{stream(1, 3000, 50), stream(3, 900, 900)}}
	got := ratesOf(before, after, 500*time.Millisecond)
	if len(got) != 2 || got[0].InRate != 4000 || got[0].OutRate != 0 || got[1].InRate != 0 || got[1].In != 900 {
		t.Errorf("got %+v", got)
	}
	got[1].Accepted = true
	for i, want := range []string{"to ssh of ben, 2s: 3.0 kB in (4.0 kB/s), 50 B out", "ssh from ben, 2s: 900 B in, 900 B out"} {
		if line := got[i].line(began.Add(2 * time.Second)); line != want {
			t.Errorf("got %q, want %q", line, want)
		}
	}
}
