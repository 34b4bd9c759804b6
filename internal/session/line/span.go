package line

// A span is the bytes of a direction from one offset up to, and without, another.
type span struct{ from, to uint64 }

func (s span) len() int { return int(s.to - s.from) }

// spans are disjoint, in order and not touching.
type spans []span

// add joins s to the set.
func (set *spans) add(s span) {
	if s.from >= s.to {
		return
	}
	all := *set
	if n := len(all); n > 0 && all[n-1].to == s.from { // the usual case: on from the last
		all[n-1].to = s.to
		return
	}
	i := 0
	for i < len(all) && all[i].to < s.from {
		i++
	}
	j := i
	for j < len(all) && all[j].from <= s.to {
		s.from, s.to = min(s.from, all[j].from), max(s.to, all[j].to)
		j++
	}
	if i == j {
		all = append(all, span{})
		copy(all[i+1:], all[i:])
		all[i] = s
	} else {
		all[i] = s
		all = append(all[:i+1], all[j:]...)
	}
	*set = all
}

// dropBefore removes what is below an offset.
func (set *spans) dropBefore(offset uint64) {
	all := *set
	i := 0
	for i < len(all) && all[i].to <= offset {
		i++
	}
	if i > 0 {
		all = all[:copy(all, all[i:])]
	}
	if len(all) > 0 {
		all[0].from = max(all[0].from, offset)
	}
	*set = all
}

// remove takes the bytes of s out of the set.
func (set *spans) remove(s span) {
	all := *set
	i := 0
	for i < len(all) && all[i].to <= s.from {
		i++
	}
	for i < len(all) && all[i].from < s.to {
		first := all[i]
		left, right := span{first.from, min(first.to, s.from)}, span{max(first.from, s.to), first.to}
		switch {
		case left.from < left.to && right.from < right.to:
			all = append(all, span{})
			copy(all[i+1:], all[i:])
			all[i], all[i+1] = left, right
			i += 2
		case left.from < left.to:
			all[i] = left
			i++
		case right.from < right.to:
			all[i] = right
			i++
		default:
			all = append(all[:i], all[i+1:]...)
		}
	}
	*set = all
}

// takeFirst removes the first bytes of the set, at most so many of one span.
func (set *spans) takeFirst(most int) span {
	all := *set
	s := all[0]
	if s.len() > most {
		s.to = s.from + uint64(most)
		all[0].from = s.to
		return s
	}
	*set = all[:copy(all, all[1:])]
	return s
}
