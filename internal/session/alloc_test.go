//go:build !race

package session

import (
	"io"
	"math"
	"testing"
)

// The race detector drops from pools at random, so this is not for it.

func TestDataAllocatesNothingOnItsWay(t *testing.T) {
	a, b := recordPair(t)
	client, server := join(t, a, b, Config{})
	from, to := connected(t, client, server)
	data, space := make([]byte, 64<<10), make([]byte, 64<<10)
	move := func() {
		for range 16 {
			if _, err := from.Write(data); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(to, space); err != nil {
				t.Fatal(err)
			}
		}
	}
	best := math.Inf(1) // a collection empties the pools
	for range 3 {
		best = min(best, testing.AllocsPerRun(10, move)/16)
	}
	if best >= 1 {
		t.Errorf("%.2f allocations for 64 KiB", best)
	}
}
