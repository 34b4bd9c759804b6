package main

import (
	"math"
	"testing"
	"time"
)

// boxNamed finds a box.
func boxNamed(t *testing.T, name string) box {
	t.Helper()
	for _, b := range boxes() {
		if b.name == name {
			return b
		}
	}
	t.Fatalf("no box %s", name)
	return box{}
}

func TestTheoryKnowsWhatEachPairAllows(t *testing.T) {
	for _, c := range []struct {
		near, far string
		want      prospect
		floor     time.Duration
	}{
		{"public", "public", certain, floorOut},
		{"port-restricted", "linux", certain, floorOut},
		{"linux-reject", "icmp-unreachable", certain, floorOut},
		{"two-layers", "rfc5382-hold", certain, floorOut},
		{"symmetric-random", "public", certain, floorOut},
		{"public", "symmetric-random", certain, floorIn},
		{"symmetric-random", "address-restricted", certain, floorOut},
		{"address-restricted", "symmetric-random", certain, floorIn},
		{"no-simultaneous-open", "linux", certain, floorOut},
		{"linux", "no-simultaneous-open", certain, floorIn},
		{"no-simultaneous-open", "no-simultaneous-open", forbidden, 0},
		{"ipv6-firewall", "ipv6-firewall", certain, floorOut},
		{"ipv6-firewall", "linux", search, 0},
		{"symmetric-sequential", "linux", predicted, 0},
		{"no-simultaneous-open", "symmetric-block", predicted, 0},
		{"symmetric-random", "linux", search, 0},
		{"symmetric-sequential", "symmetric-block", mutual, 0},
		{"symmetric-sequential", "symmetric-random", forbidden, 0},
		{"symmetric-random", "symmetric-random", forbidden, 0},
		{"same-nat", "same-nat", certain, floorLocal},
		{"same-carrier-hairpinning", "same-carrier-hairpinning", certain, floorLocal},
		{"same-carrier", "same-carrier", forbidden, 0},
	} {
		got := pair{boxNamed(t, c.near), boxNamed(t, c.far)}.theory()
		if got.Prospect != c.want || got.Floor != c.floor || got.Why == "" {
			t.Errorf("%s to %s: got %+v, want %s, floor %v", c.near, c.far, got, c.want, c.floor)
		}
	}
}

// Who dials changes the time, not what is possible.
func TestTheoryIsTheSameBothWays(t *testing.T) {
	for _, x := range boxes() {
		for _, y := range boxes() {
			if x.shared != apart || y.shared != apart {
				continue
			}
			if there, back := (pair{x, y}).theory(), (pair{y, x}).theory(); there.Prospect != back.Prospect {
				t.Errorf("%s to %s is %s, back %s", x.name, y.name, there.Prospect, back.Prospect)
			}
		}
	}
}

// The values are those of the literature: 512 open ports and 576 tries meet with 99 %, 256 and 1148 too.
func TestBirthdaysMeetAsTheArithmeticSays(t *testing.T) {
	for _, c := range []struct {
		all, n, k int
		want      float64
	}{
		{64512, 512, 576, 0.99}, {64512, 256, 1148, 0.99}, {64512, 256, 175, 0.50}, {512, 16, 68, 0.90}, {64512, 512, 512, 0.983},
	} {
		if got := birthday(c.all, c.n, c.k); math.Abs(got-c.want) > 0.005 {
			t.Errorf("%d of %d taken, %d tries: got %.4f, want %.3f", c.n, c.all, c.k, got, c.want)
		}
	}
}
