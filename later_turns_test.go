package bodkin

import "testing"

func TestTheTwoPortsAreLeftToWhoComesBackMostOfTheTime(t *testing.T) {
	for turn := uint32(1); turn <= 2*unknownTurns; turn++ {
		if want := turn == 1 || turn == unknownTurns+1; asksAnybody(turn, true) != want {
			t.Errorf("turn %d: asks %v, want %v", turn, !want, want)
		}
		if !asksAnybody(turn, false) { // as where this node waits for the peer's dial, or has moved: nobody would dial
			t.Errorf("turn %d: nobody dials", turn)
		}
	}
}
