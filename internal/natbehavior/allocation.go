package natbehavior

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

const (
	// lowest is the first port that NATs give out, and dynamic is how many they do: the length of the circle in which a counter runs.
	lowest  = 1024
	dynamic = 65536 - lowest
	// stepMax is the longest step between two mappings of ours, others' between them counted, that still shows a counter.
	stepMax = 64
	// stepsMin is how many steps it takes to call a run of ports a counter. Chance puts four numbers in order once in twelve
	// times, and in steps of at most stepMax in no block that is worth the name.
	stepsMin = 3
	// blockMin and blockMax are the sizes of blocks: carriers use 64 to 4096.
	blockMin, blockMax = 64, 4096
	// chance is the most by which random ports may look like a block.
	chance = 1e-4
)

// allocate tells how the ports of new mappings are chosen. Samples are in order of time.
func allocate(r *Report, samples []Sample) {
	made := mappings(samples)
	preserved := 0
	for _, m := range made {
		if m.Seen.Port() == m.Local.Port() {
			preserved++
		}
	}
	switch {
	case len(made) == 0:
		return
	case 2*preserved > len(made): // the others met with a port that was taken
		r.Allocation = Preserving
		return
	case preserved == 0 && count(r, made):
		r.Allocation = Delta
		return
	case block(r, made):
		r.Allocation = Block
		return
	case len(made) >= stepsMin+1:
		r.Allocation = Random
	}
}

// count tells whether the mappings are those of a counter, and how it counts. Of several external addresses each has its own counter.
//
// Others' mappings lie between ours, so a step of ours is a multiple of the counter's: their greatest common divisor is its. Of eight
// or more samples two may be in another order than their times: the threads that send them are not the last to touch the SYNs.
func count(r *Report, made []Sample) bool {
	runs := runs(made)
	steps, up, down := 0, 0, 0
	for _, run := range runs {
		steps += len(run) - 1
		for i := range run {
			for j := range i {
				if circular(run[i]-run[j]) > 0 {
					up++
				} else {
					down++
				}
			}
		}
	}
	disorder := 0
	switch {
	case steps < stepsMin:
		return false
	case steps >= 7:
		disorder = 2
	case steps == 6:
		disorder = 1
	}
	if min(up, down) > disorder {
		return false
	}
	divisor, sum := 0, 0
	for _, run := range runs {
		slices.SortFunc(run, func(a, b int) int { return circular(a - b) })
		for i, port := range run[1:] {
			step := circular(port - run[i])
			if step == 0 || step > stepMax {
				return false
			}
			divisor = gcd(divisor, step)
			sum += step
		}
	}
	r.Delta = divisor
	if down > up {
		r.Delta = -divisor
	}
	others := sum/divisor - steps
	if took := duration(made).Seconds(); others > 0 && took > 0 {
		r.Rate = int(math.Ceil(float64(others) / took))
	}
	return true
}

// together is how close in time two mappings have to be for the step between them to tell something, where others count on.
const together = 250 * time.Millisecond

// runs is the ports of mappings that were made in quick succession, on each external address, in order of time.
func runs(made []Sample) [][]int {
	var all [][]int
	last := map[netip.Addr]int{} // the run that goes on
	at := map[netip.Addr]time.Time{}
	for _, m := range made {
		addr := m.Seen.Addr()
		i, ok := last[addr]
		if !ok || m.At.Sub(at[addr]) > together {
			i = len(all)
			all, last[addr] = append(all, nil), i
		}
		all[i] = append(all[i], int(m.Seen.Port()))
		at[addr] = m.At
	}
	return all
}

// duration is how long the mappings took that follow each other quickly.
func duration(made []Sample) (sum time.Duration) {
	for i, m := range made[1:] {
		if step := m.At.Sub(made[i].At); step <= together {
			sum += step
		}
	}
	return sum
}

// block tells whether all mappings lie in one block of ports, more closely than chance would have them, and in which.
//
// Blocks are powers of two, and begin at a multiple of their size, counted from port 0 or from the lowest that is given out. The smallest that holds all samples is taken. It is half of the
// real one, or less, if chance puts all n samples in one half: once in 2^(n-1) times.
func block(r *Report, made []Sample) bool {
	n := len(made)
	if n < 4 || slices.ContainsFunc(made, func(s Sample) bool { return s.Seen.Addr() != made[0].Seen.Addr() }) {
		return false
	}
	low, high := math.MaxInt, 0
	for _, m := range made {
		port := int(m.Seen.Port())
		low, high = min(low, port), max(high, port)
	}
	for size := blockMin; size <= blockMax; size *= 2 {
		if math.Pow(float64(size)/dynamic, float64(n-1)) > chance {
			return false
		}
		for _, base := range []int{0, lowest} {
			if low < base || (low-base)/size != (high-base)/size {
				continue
			}
			first := base + (low-base)/size*size
			r.BlockFirst, r.BlockLast = uint16(first), uint16(min(first+size-1, 65535))
			return true
		}
	}
	return false
}

// circular is a step on the circle of dynamic ports, as the shorter way.
func circular(step int) int {
	switch {
	case step > dynamic/2:
		return step - dynamic
	case step < -dynamic/2:
		return step + dynamic
	}
	return step
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
