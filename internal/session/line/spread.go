package line

// full tells whether no further carrier may come beside those that are there. The caller holds mu.
func (l *Line) full() bool {
	n := 0
	for _, c := range l.carriers {
		if !c.leaving && !c.peerLeft {
			n++
		}
	}
	return n >= l.config.Spread
}

// besides tells whether c stays when best is sent by: both may be in use at once.
func (c *carrier) besides(best *carrier) bool {
	return (c.Beside || best.Beside) && c.Rank == best.Rank && !c.peerLeft
}

// sends tells whether data goes out by the carrier. The caller holds mu.
func (c *carrier) sends() bool {
	active := c.line.active
	return c == active || active != nil && !c.doubtful && !c.leaving && c.besides(active)
}
