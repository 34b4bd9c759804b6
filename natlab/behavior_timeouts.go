package natlab

import "time"

// Timeouts are the idle lifetimes of the entries of a NAT, by the state the connection seems to be
// in. A zero field means the value that the RFCs ask for, given with each.
type Timeouts struct {
	SynSent     time.Duration // a SYN has gone, no answer seen; zero means 4 min (RFC 5382, REQ-5)
	SynReceived time.Duration // a SYN was answered, not yet acknowledged; zero means 4 min
	Established time.Duration // zero means 2 h 4 min (RFC 5382, REQ-5)
	FinWait     time.Duration // one side sent FIN; zero means 4 min
	CloseWait   time.Duration // ... which was acknowledged; zero means 4 min
	LastAck     time.Duration // both sides sent FIN; zero means 4 min
	TimeWait    time.Duration // ... which were acknowledged; zero means 4 min
	Closed      time.Duration // reset; zero means 4 min (RFC 7857, section 2.2)

	// Unacknowledged replaces a longer timeout for a connection picked up without an answer, and,
	// unless Behavior.Checking is CheckNothing, while data is not acknowledged, the same
	// acknowledgment keeps coming, or a window is closed. Zero means it does not.
	Unacknowledged time.Duration

	UDP       time.Duration // zero means 5 min (RFC 4787, REQ-5)
	UDPStream time.Duration // packets both ways for more than 2 s; zero means 5 min
	ICMP      time.Duration // zero means 60 s (RFC 5508, REQ-2)

	// Lifetime is the age at which a mapping and all its connections end, however busy they are;
	// zero means never.
	Lifetime time.Duration
}

// LinuxTimeouts are the defaults of Linux's connection tracking, as read from a 6.18 kernel.
func LinuxTimeouts() Timeouts {
	return Timeouts{
		SynSent:        120 * time.Second,
		SynReceived:    60 * time.Second,
		Established:    5 * 24 * time.Hour,
		FinWait:        120 * time.Second,
		CloseWait:      60 * time.Second,
		LastAck:        30 * time.Second,
		TimeWait:       120 * time.Second,
		Closed:         10 * time.Second,
		Unacknowledged: 300 * time.Second,
		UDP:            30 * time.Second,
		UDPStream:      120 * time.Second,
		ICMP:           30 * time.Second,
	}
}

// withDefaults puts the RFC's values where t has zero.
func (t Timeouts) withDefaults() Timeouts {
	const transitory = 4 * time.Minute
	for field, value := range map[*time.Duration]time.Duration{
		&t.SynSent:     transitory,
		&t.SynReceived: transitory,
		&t.Established: 2*time.Hour + 4*time.Minute,
		&t.FinWait:     transitory,
		&t.CloseWait:   transitory,
		&t.LastAck:     transitory,
		&t.TimeWait:    transitory,
		&t.Closed:      transitory,
		&t.UDP:         5 * time.Minute,
		&t.UDPStream:   5 * time.Minute,
		&t.ICMP:        60 * time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return t
}
