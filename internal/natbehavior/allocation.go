package natbehavior

import (
	"math"
	"slices"
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
// Others' mappings lie between ours, so a step of ours is a multiple of the counter's: their greatest common divisor is its.
func count(r *Report, made []Sample) bool {
	var steps []int
	for i, m := range made {
		before := made[:i]
		if last := lastAt(before, m); last >= 0 {
			steps = append(steps, circular(int(m.Seen.Port())-int(before[last].Seen.Port())))
		}
	}
	if len(steps) < stepsMin {
		return false
	}
	divisor, sum := 0, 0
	for _, step := range steps {
		if step == 0 || step > 0 != (steps[0] > 0) || abs(step) > stepMax {
			return false
		}
		divisor = gcd(divisor, abs(step))
		sum += abs(step)
	}
	r.Delta = divisor
	if steps[0] < 0 {
		r.Delta = -divisor
	}
	others := sum/divisor - len(steps)
	if took := made[len(made)-1].At.Sub(made[0].At).Seconds(); others > 0 && took > 0 {
		r.Rate = int(math.Ceil(float64(others) / took))
	}
	return true
}

// lastAt is the index of the last sample on m's external address, -1 if there is none.
func lastAt(samples []Sample, m Sample) int {
	for i := len(samples) - 1; i >= 0; i-- {
		if samples[i].Seen.Addr() == m.Seen.Addr() {
			return i
		}
	}
	return -1
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

func abs(n int) int { return max(n, -n) }
