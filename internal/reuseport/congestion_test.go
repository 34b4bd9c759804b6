package reuseport

import (
	"net"
	"testing"
	"time"
)

func TestOnlyAlgorithmsThatBelieveAFalseRoundTripAreMisled(t *testing.T) {
	const truth = 100 * time.Millisecond
	for _, c := range []struct {
		algorithm string
		least     time.Duration
		want      bool
	}{
		{"bbr", 20 * time.Millisecond, true},
		{"bbr3", 0, true},
		{"bbr", 49 * time.Millisecond, true},
		{"bbr", 50 * time.Millisecond, false},
		{"bbr", truth, false},
		{"vegas", 20 * time.Millisecond, true},
		{"cubic", 20 * time.Millisecond, false},
		{"reno", 0, false},
		{"", 0, false},
	} {
		if got := isMisled(c.algorithm, c.least, truth); got != c.want {
			t.Errorf("%q with a least round trip of %v of %v: got %v, want %v", c.algorithm, c.least, truth, got, c.want)
		}
	}
}

func TestAConnectionThatIsNotTCPIsLeftAlone(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if changed, err := DistrustRoundTrip(a, time.Second); changed != "" || err != nil {
		t.Errorf("got %q, %v", changed, err)
	}
}
